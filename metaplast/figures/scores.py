"""The figure of scores: each row's mean with its interval."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from metaplast.figures.style import OTHERS, OURS, plt, save


def draw(
    entries: Sequence[Mapping[str, Any]],
    path: Path,
    ours: Sequence[str],
    labels: Mapping[str, str] | None = None,
) -> None:
    """Draw each row's mean with its 95 % interval, in the order of the table; our rows in blue.

    Args:
        entries: as `results.table.scores` gives them.
        path: of the picture.
        ours: the names of the rows in blue.
        labels: {row: label}. A row under another label than its name is drawn hollow.
    """
    labels = labels or {}
    finite = [entry for entry in entries if entry["mean"] is not None]
    figure, axes = plt.subplots(figsize=(7, 0.45 * len(finite) + 1.2), layout="constrained")
    ticks = []
    for y, entry in enumerate(reversed(finite)):
        name = entry["name"]
        label = labels.get(name, name)
        colour = OURS if name in ours else OTHERS
        face = colour if label == name else "white"
        axes.plot(entry["ci95"], [y, y], color=colour, lw=3, solid_capstyle="round")
        axes.plot(entry["mean"], y, "o", color=colour, ms=7, mfc=face)
        ticks.append(str(label))
    axes.set_yticks(range(len(finite)), ticks)
    first = finite[0]
    axes.set_xlabel(f"{first['metric']} on {first['n']} held-out lives, mean and 95 % interval")
    axes.grid(axis="x", alpha=0.3)
    save(figure, path)
