"""docs/architecture.md names places that exist, names every room, and keeps their order."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TEXT = (ROOT / "docs" / "architecture.md").read_text()
ROOMS = TEXT.split("## One life as data")[0]
PATH = re.compile(r"`((?:[\w.]+/)+[\w.]*|\w+\.(?:md|toml))`")


def _layers() -> dict[str, int]:
    """The place of every room among the layers of import-linter: 0 is the highest."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    contracts = {contract["id"]: contract for contract in settings["contracts"]}
    places = {}
    for place, layer in enumerate(contracts["layers"]["layers"]):
        for room in re.findall(r"\w+", layer):
            places[room] = place
    return places


def test_every_place_that_it_names_exists():
    places = sorted(set(PATH.findall(TEXT)))
    assert len(places) > 30
    assert not [place for place in places if not (ROOT / place).exists()]


def test_every_room_is_named():
    rooms = [path.parent.name for path in (ROOT / "metaplast").glob("*/__init__.py")]
    assert len(rooms) > 20
    assert not [room for room in rooms if f"`metaplast/{room}/`" not in ROOMS]


def test_every_module_beside_the_rooms_is_named():
    modules = [path.name for path in (ROOT / "metaplast").glob("[a-z]*.py")]
    assert not [module for module in modules if f"`metaplast/{module}`" not in ROOMS]


def test_the_table_has_the_order_of_the_contract():
    layers = _layers()
    rows = re.findall(r"^\| (`metaplast/[^|]*) \|", ROOMS, re.MULTILINE)
    assert len(rows) > 15
    highest_below = max(layers.values())
    for row in rows:
        places = [layers[room] for room in re.findall(r"metaplast/(\w+)", row)]
        assert max(places) <= highest_below, row
        highest_below = min(places)
