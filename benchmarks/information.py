"""The plane of docs/studies/information.md: bits inborn against bits learned.

    python -m benchmarks.information --runs FOLDER NAME...
    python -m benchmarks.information

The first line measures points (`POINTS`) of these names, or all; the run of a point is
FOLDER/<name>, by `metaplast train experiment=<name> seed=0 rows=null --run-dir FOLDER/<name>`. What
is measured is kept in benchmarks/information.json. Both lines draw the picture and write the table
from it.
"""

import argparse
import json
import math
import re
from pathlib import Path
from typing import Any

from metaplast.figures.style import INK, OTHERS, OURS, save, subplots
from metaplast.inspection.information import Information, Sizes, information, plain
from metaplast.registry import Plain
from metaplast.results.numbers import interval, number
from metaplast.training.information import subject_of

ROOT = Path(__file__).resolve().parents[1]
KEPT = ROOT / "benchmarks" / "information.json"
PAGE = ROOT / "docs" / "studies" / "information.md"
IMAGE = ROOT / "docs" / "img" / "information.svg"
TABLE = re.compile(r"<!-- information -->\n.*?<!-- end -->\n", re.DOTALL)
SIZES = Sizes(n_lives=128, n_tasks=32, lives_per_task=16)
ZOO = {
    "zoo/categories": ("experiment=categories",),
    "zoo/readout": ("experiment=readout",),
    "zoo/shervani_tabar_three": ("experiment=digits", "shared=true"),
    "zoo/shervani_tabar_ten": ("experiment=digits", "shared=true"),
}
"""{rule of the zoo: the words of its task}"""
RUNS = (
    *("bandit", "credit", "crossing", "false_discovery", "nonstationary", "oja", "pointmass"),
    *("prototypes", "regression", "spiking", "symbolic_error", "unsupervised"),
)
"""Experiments whose run of seed 0 is measured."""
POINTS = (*ZOO, *RUNS)
NEAR = 0.06
"""Points that are nearer than this, in bits learned and in the logarithm of bits inborn, meet."""


def measured(name: str, runs: Path) -> Plain:
    """The information of a point on held-out lives, as plain data."""
    source = name if name in ZOO else str(runs / name)
    bits = information(subject_of(source, ZOO.get(name, ())), "heldout", SIZES)
    return {**plain(bits), "inborn_interval": inborn_interval(bits), "decoder": "chosen"}


def inborn_interval(measures: Information) -> list[float | None]:
    """The bits inborn at both ends of the bits of a number; None where an end has none."""
    if measures.numbers is None:
        return [None, None]
    ends: list[float | None] = []
    for end in ("low", "high"):
        total: float | None = measures.trees.form
        for part in measures.numbers.parts.values():
            bits = getattr(part, end)
            total = None if bits is None or total is None else total + bits * part.n_numbers
        ends.append(total)
    return ends


def kept() -> dict[str, Plain]:
    """{point: what was measured}."""
    if not KEPT.is_file():
        return {}
    return json.loads(KEPT.read_bytes())


def keep(points: dict[str, Plain]) -> None:
    """Write what was measured, in the order of POINTS."""
    ordered = {name: points[name] for name in POINTS if name in points}
    KEPT.write_text(json.dumps(ordered, indent=1, allow_nan=False) + "\n", encoding="utf-8")


def on_plane(point: Plain) -> bool:
    """Whether both bits are known, and the learned ones are not told by the births."""
    learned = point.get("learned")
    return point.get("inborn") is not None and learned is not None and not learned["births_tell"]


def draw(points: dict[str, Plain], path: Path) -> None:
    """Draw the plane."""
    figure, axes = subplots(figsize=(8.0, 5.6), layout="constrained")
    shown = {name: point for name, point in points.items() if on_plane(point)}
    for point in shown.values():
        _point(axes, point)
    for (x, y), names in labels(shown).items():
        axes.annotate(
            ", ".join(names),
            (x, y),
            xytext=(4, 4),
            textcoords="offset points",
            rotation=55,
            rotation_mode="anchor",
            fontsize=7.5,
            color=INK,
        )
    axes.set_xscale("symlog", linthresh=10)
    axes.set_xlim(-1, 1000)
    axes.set_ylim(-0.15, 6.5)
    axes.set_yticks(range(6))
    axes.set_xlabel("bits inborn: searched numbers and trees")
    axes.set_ylabel("bits on its task that a life learns, at least")
    axes.plot([], [], "o", color=OURS, label="kinds of tasks, of which a life draws the rest anew")
    axes.plot([], [], "o", color=OURS, markerfacecolor="white", label="draws of tasks")
    axes.legend(frameon=False, fontsize=8, loc="center left")
    save(figure, path)


def labels(points: dict[str, Plain]) -> dict[tuple[float, float], list[str]]:
    """{place: the names of the points there}; points that nearly meet share a label."""
    places: dict[tuple[float, float], list[str]] = {}
    for name, point in points.items():
        x, y = point["inborn"], point["learned"]["bits"]
        for place, names in places.items():
            if abs(math.log(x / place[0])) < NEAR and abs(y - place[1]) < NEAR:
                names.append(name)
                break
        else:
            places[x, y] = [name]
    return places


def _point(axes: Any, point: Plain) -> None:
    """One point with its intervals."""
    learned = point["learned"]
    x, y = point["inborn"], learned["bits"]
    low, high = point["inborn_interval"]
    low = x if low is None else low
    axes.plot([low, x if high is None else high], [y, y], color=OTHERS, lw=1.2, zorder=1)
    axes.plot([x, x], [learned["low"], learned["high"]], color=OURS, lw=1.2, zorder=1)
    fill = "white" if learned["bits_task"] is None else OURS
    axes.plot([x], [y], "o", color=OURS, markerfacecolor=fill, ms=5)


def table(points: dict[str, Plain]) -> str:
    """What was measured as a Markdown table."""
    rows = [
        ["point", "score", "bits inborn", "bits learned", "most", "error without plasticity"],
        ["---"] * 6,
    ]
    for name, point in points.items():
        rows.append([f"`{name}`", *_cells(point)])
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def _cells(point: Plain) -> list[str]:
    """The cells of a point after its name."""
    score = point["numbers"]["score"]
    cells = [f"{point['metric']} {number(score[0], '.3g')} {interval(score[1:3], '.3g')}"]
    inborn = point.get("inborn")
    ends = [number(end, ".0f") if end is not None else "-" for end in point["inborn_interval"]]
    cells.append("none" if inborn is None else f"{inborn:.0f} [{', '.join(ends)}]")
    learned = point.get("learned")
    if learned is None:
        return [*cells, "no task to decode", "-", "-"]
    most = f"{learned['tasks']} {'draws' if learned['bits_task'] is None else 'kinds'}"
    error = learned["error_at_birth"]
    bits = f"{learned['bits']:.2f} [{learned['low']:.2f}, {learned['high']:.2f}]"
    if learned["births_tell"]:
        bits = "births tell"
    if point.get("decoder") != "chosen":
        bits += " *"
    by_chance = number(learned["error_by_chance"], ".3g")
    control = f"{number(error[0], '.2g')} {interval(error[1:3], '.2g')} (chance {by_chance})"
    return [*cells, bits, most, control]


def written(page: str, points: dict[str, Plain]) -> str:
    """The page with the table."""
    return TABLE.sub(lambda _: f"<!-- information -->\n\n{table(points)}\n<!-- end -->\n", page)


def main() -> None:
    """Measure, draw the picture and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=Path)
    parser.add_argument("names", nargs="*", metavar="NAME")
    arguments = parser.parse_args()
    points = kept()
    if arguments.runs is not None:
        for name in arguments.names or POINTS:
            points[name] = measured(name, arguments.runs)
            keep(points)
    points = kept()
    draw(points, IMAGE)
    PAGE.write_text(written(PAGE.read_text(encoding="utf-8"), points), encoding="utf-8")


if __name__ == "__main__":
    main()
