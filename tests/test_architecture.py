"""docs/architecture.md names rooms that exist, and every room."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TEXT = (ROOT / "docs" / "architecture.md").read_text()
PATH = re.compile(r"`((?:metaplast|inner_tasks|outer_loops|configs|tests|docs)/[\w/.]*)`")


def test_every_place_that_it_names_exists():
    places = sorted(set(PATH.findall(TEXT)))
    assert len(places) > 30
    assert not [place for place in places if not (ROOT / place).exists()]


def test_every_room_is_named():
    rooms = [path.parent.name for path in (ROOT / "metaplast").glob("*/__init__.py")]
    assert len(rooms) > 20
    assert not [room for room in rooms if f"`metaplast/{room}/`" not in TEXT]


def test_every_module_beside_the_rooms_is_named():
    modules = [path.name for path in (ROOT / "metaplast").glob("[a-z]*.py")]
    assert not [module for module in modules if f"`metaplast/{module}`" not in TEXT]
