"""The page of the architecture names real paths, names every room and keeps their order."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TEXT = (ROOT / "docs" / "architecture.md").read_text()
PATHS = sorted(set(re.findall(r"`((?:[\w.]+/)+[\w.]*|\w+\.(?:py|toml))`", TEXT)))
ROOMS_TABLE = TEXT.split("## The way of a config word")[0]


def _rooms() -> set[str]:
    """Folders and public files of metaplast, as the page writes them."""
    rooms = set()
    for entry in (ROOT / "metaplast").iterdir():
        if entry.name.startswith(("_", ".")):
            continue
        if entry.is_dir():
            rooms.add(f"metaplast/{entry.name}/")
        elif entry.suffix == ".py":
            rooms.add(f"metaplast/{entry.name}")
    return rooms


def _layers() -> dict[str, int]:
    """Room -> its place among the layers of import-linter, from the top."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    (contract,) = (each for each in settings["contracts"] if each["id"] == "layers")
    places = {}
    for place, layer in enumerate(contract["layers"]):
        for room in re.findall(r"\w+", layer):
            places[room] = place
    return places


def test_every_path_of_the_page_exists() -> None:
    assert len(PATHS) > 30
    missing = [path for path in PATHS if not (ROOT / path).exists()]
    assert not missing


def test_every_folder_is_written_as_a_folder() -> None:
    assert not [path for path in PATHS if (ROOT / path).is_dir() != path.endswith("/")]


def test_every_room_of_metaplast_stands_in_the_table() -> None:
    assert not {room for room in _rooms() if f"`{room}`" not in ROOMS_TABLE}


def test_the_table_has_the_order_of_import_linter() -> None:
    layers = _layers()
    lowest_above = -1
    for row in re.findall(r"^\| (`metaplast/[^|]*) \|", ROOMS_TABLE, re.MULTILINE):
        places = [layers[name] for name in re.findall(r"metaplast/(\w+)", row)]
        assert lowest_above <= min(places), row
        lowest_above = max(places)
