"""The table and the curve of docs/studies/innate.md: accuracy at birth over compression.

    python -m benchmarks.innate --own-rate FOLDER...
    python -m benchmarks.innate

The first line keeps the scores of finished runs of `xox` with a learning rate of its own in
benchmarks/innate.json. The page has the command of such a run. Both lines draw the curve and write
the table, from that file and from benchmarks/results/innate.json.
"""

import argparse
import json
import re
from pathlib import Path
from typing import Any, NamedTuple

from metaplast.figures.style import INK, OTHERS, OURS, save, subplots
from metaplast.results.statistics import Estimate, student
from metaplast.training.pool import pool

ROOT = Path(__file__).resolve().parents[1]
PUBLISHED = ROOT / "benchmarks" / "results" / "innate.json"
KEPT = ROOT / "benchmarks" / "innate.json"
PAGE = ROOT / "docs" / "studies" / "innate.md"
IMAGE = ROOT / "docs" / "img" / "innate.svg"
TABLE = re.compile(r"<!-- innate -->\n.*?<!-- end -->\n", re.DOTALL)
OWN_RATE = "xox_own_rate"
NAMES = {
    "direct": "direct",
    "gnet_large": "gnet, 32 units",
    "discovered": "gnet, 16 units",
    "gnet_small": "gnet, 10 units",
    "xox": "xox, 6 genes",
    OWN_RATE: "xox, own rate",
    "low_rank": "low_rank, rank 4",
    "sparse": "evolved_mask, 20 %",
}
"""{row: its words}, in the order of the table."""
CURVE = ("direct", "gnet_large", "discovered", "gnet_small")
"""The rows on the line of the picture."""


class Row(NamedTuple):
    """A genome over seeds.

    compression: synapses over searched numbers.
    numbers: the searched numbers.
    scores: the accuracy of every seed.
    """

    compression: float
    numbers: int
    scores: list[float]

    def minus(self, other: "Row") -> Estimate:
        """The paired difference over seeds."""
        return student([a - b for a, b in zip(self.scores, other.scores, strict=True)])


def rows() -> dict[str, Row]:
    """{row: its numbers}, as published and kept. `direct` has one number a synapse."""
    published = json.loads(PUBLISHED.read_bytes())["rows"]
    plain = published | json.loads(KEPT.read_bytes())
    n_synapses = published["direct"]["learned"]
    table = {}
    for name in NAMES:
        numbers = plain[name]["learned"]
        table[name] = Row(n_synapses / numbers, numbers, plain[name]["per_seed"])
    return table


def keep(folders: list[Path]) -> None:
    """Keep the scores of finished runs, one for each seed."""
    runs = pool(folders)
    learned = runs.facts["discovered"].row.learned
    row = {"learned": learned, "per_seed": runs.means["discovered"]}
    KEPT.write_text(json.dumps({OWN_RATE: row}, indent=1) + "\n", encoding="utf-8")


def table(of_rows: dict[str, Row]) -> str:
    """The rows as a Markdown table."""
    head = ["genome", "numbers", "compression", "accuracy", "minus direct", "minus gnet, 16 units"]
    lines = [[*head, "per seed"], ["---"] * (len(head) + 1)]
    for name, row in of_rows.items():
        cells = [NAMES[name], f"{row.numbers:,}", f"{row.compression:.1f}"]
        cells.append(_words(student(row.scores), ".3f"))
        for other in ("direct", "discovered"):
            is_itself = name == other
            cells.append("" if is_itself else _words(row.minus(of_rows[other]), "+.3f"))
        cells.append(" ".join(f"{score:.3f}" for score in row.scores))
        lines.append(cells)
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def _words(estimate: Estimate, form: str) -> str:
    return f"{estimate.mean:{form}} [{estimate.low:{form}}, {estimate.high:{form}}]"


def draw(of_rows: dict[str, Row], path: Path) -> None:
    """Draw accuracy over compression, with the intervals over seeds."""
    figure, axes = subplots(figsize=(7.0, 4.2), layout="constrained")
    line = [of_rows[name] for name in CURVE]
    means = [student(row.scores).mean for row in line]
    axes.plot([row.compression for row in line], means, color=OURS, lw=1.2, zorder=1)
    for name, row in of_rows.items():
        _point(axes, NAMES[name], row, name in CURVE)
    axes.set_xscale("log", base=2)
    ticks = [0.5, 1, 2, 4, 8, 16]
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.set_xlim(0.12, 40)
    axes.set_xlabel("synapses for each searched number")
    axes.set_ylabel("accuracy at birth")
    save(figure, path)


def _point(axes: Any, words: str, row: Row, on_curve: bool) -> None:
    """One genome with its interval, and its words above it or, off the curve, beside it."""
    estimate = student(row.scores)
    colour = OURS if on_curve else OTHERS
    axes.plot([row.compression] * 2, [estimate.low, estimate.high], color=colour, lw=1.2)
    axes.plot([row.compression], [estimate.mean], "o", color=colour, ms=5)
    place = (row.compression, estimate.high if on_curve else estimate.mean)
    shift = (0, 4) if on_curve else (-6, 0)
    side = {"ha": "center"} if on_curve else {"ha": "right", "va": "center"}
    beside = {"xytext": shift, "textcoords": "offset points", **side}
    axes.annotate(words, place, fontsize=8, color=INK, **beside)


def written(page: str, of_rows: dict[str, Row]) -> str:
    """The page with the table."""
    return TABLE.sub(lambda _: f"<!-- innate -->\n\n{table(of_rows)}\n<!-- end -->\n", page)


def main() -> None:
    """Keep scores, draw the curve and write the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--own-rate", type=Path, nargs="+", metavar="FOLDER")
    arguments = parser.parse_args()
    if arguments.own_rate:
        keep(arguments.own_rate)
    of_rows = rows()
    draw(of_rows, IMAGE)
    PAGE.write_text(written(PAGE.read_text(encoding="utf-8"), of_rows), encoding="utf-8")


if __name__ == "__main__":
    main()
