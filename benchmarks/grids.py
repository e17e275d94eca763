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

from metaplast.results.grid import Grid, grid_from_json
from metaplast.results.numbers import interval, number
from metaplast.results.summary import Bounds, RowScore
from metaplast.settings.names import DISCOVERED
from metaplast.training.grid import RESULT
from metaplast.training.grid_page import FIGURE

ROOT = Path(__file__).resolve().parents[1]
KEPT = ROOT / "benchmarks" / "grids"
PAGE = ROOT / "docs" / "studies" / "transfer.md"
IMAGES = ROOT / "docs" / "img"
TABLE = re.compile(r"<!-- grid (\w+) -->\n.*?<!-- end -->\n", re.DOTALL)
FORM = ".3f"
GAIN = "+.3f"


def names() -> list[str]:
    """The names of the rules whose grids are kept."""
    return sorted(path.stem for path in KEPT.glob("*.json"))


def grid(name: str) -> Grid:
    """The kept grid of a rule."""
    path = KEPT / f"{name}.json"
    return grid_from_json(json.loads(path.read_bytes()), str(path))


def table(name: str) -> str:
    """The worlds of a grid as a Markdown table, without refused ones.

    A column for every baseline has the paired gain of the rule over it, above 0 where the rule is
    better.
    """
    of_rule = grid(name)
    baselines = of_rule.about.rows
    head = ["world", "score", "over birth"]
    for row in baselines:
        head.append(f"over `{row}`")
    rows = [[*head, "the rule"], ["---"] * (len(head) + 1)]
    for one in of_rule.cells:
        if one.cell is None or one.health is None:
            continue
        scores = {score.name: score for score in one.cell.scores}
        rule = scores[DISCOVERED]
        cells = [one.world, f"{number(rule.mean, FORM)} {interval(rule.ci95, FORM)}"]
        cells.append(number(one.health.over_birth.mean, GAIN))
        for row in baselines:
            cells.append(_gain(scores[row], one.cell.metric))
        rows.append([*cells, one.how])
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def _gain(score: RowScore, metric: str) -> str:
    """The gain of the rule over a row, with its interval; in a loss, less is better."""
    gap = score.difference
    if gap is None or gap.mean is None or gap.ci95.low is None or gap.ci95.high is None:
        return "-"
    mean, low, high = gap.mean, gap.ci95.low, gap.ci95.high
    if metric != "loss":
        mean, low, high = -mean, -high, -low
    return f"{number(mean, GAIN)} {interval(Bounds(low, high), GAIN)}"


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
