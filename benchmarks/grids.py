"""The matrices of docs/studies/transfer.md: rules of the zoo in many worlds.

    python -m benchmarks.grids --from FOLDER
    python -m benchmarks.grids

The first line takes FOLDER/<name>/grid.json and grid.svg, which `metaplast eval zoo/<name> --grid
--out FOLDER/<name>` wrote. Both lines write the tables into the page, from benchmarks/grids alone.
"""

import argparse
import json
import re
import shutil
from pathlib import Path

from metaplast.results.grid import Grid, grid_from_json, lines
from metaplast.settings.names import DISCOVERED
from metaplast.training.grid import FIGURE, RESULT

ROOT = Path(__file__).resolve().parents[1]
KEPT = ROOT / "benchmarks" / "grids"
PAGE = ROOT / "docs" / "studies" / "transfer.md"
IMAGES = ROOT / "docs" / "img"
TABLE = re.compile(r"<!-- grid (\w+) -->\n.*?<!-- end -->\n", re.DOTALL)
HEAD = ("world", "score", "over birth", "rule better by", "against", "the rule")


def names() -> list[str]:
    """The names of the rules whose grids are kept."""
    return sorted(path.stem for path in KEPT.glob("*.json"))


def grid(name: str) -> Grid:
    """The kept grid of a rule."""
    path = KEPT / f"{name}.json"
    return grid_from_json(json.loads(path.read_bytes()), str(path))


def table(name: str) -> str:
    """The worlds of a grid as a Markdown table, without refused ones."""
    rows = [HEAD, ("---",) * len(HEAD)]
    for world, score, _, against, gain, gain_interval, birth, _, how in lines(
        grid(name), DISCOVERED
    )[1:]:
        if how == "refused":
            continue
        shown = "-"
        if gain != "-":
            shown = f"{gain} {gain_interval}"
        rows.append((world, score, birth, shown, f"`{against}`", how))
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def written(page: str) -> str:
    """The page with the tables of the kept grids."""

    def block(found: re.Match[str]) -> str:
        name = found[1]
        return f"<!-- grid {name} -->\n\n{table(name)}\n<!-- end -->\n"

    return TABLE.sub(block, page)


def main() -> None:
    """Take new grids, and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--from", dest="source", type=Path)
    source = parser.parse_args().source
    if source is not None:
        KEPT.mkdir(exist_ok=True)
        for path in sorted(source.glob(f"*/{RESULT}")):
            name = path.parent.name
            shutil.copyfile(path, KEPT / f"{name}.json")
            shutil.copyfile(path.parent / FIGURE, IMAGES / f"transfer_{name}.svg")
    PAGE.write_text(written(PAGE.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
