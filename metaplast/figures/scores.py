"""The figure of scores: each row's mean with its interval."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from metaplast.figures.style import OTHERS, OURS, save, subplots
from metaplast.results.summary import RowScore


def draw(
    row_scores: Sequence[RowScore],
    path: Path,
    ours: Sequence[str],
    labels: Mapping[str, str] | None = None,
) -> None:
    """Draw each row's mean with its 95 % interval, in the order of the table; our rows in blue.

    Args:
        row_scores: as `results.table.scores` gives them.
        path: of the picture.
        ours: the names of the rows in blue.
        labels: {row: label}. A row under another label than its name is drawn hollow.
    """
    labels = labels or {}
    finite = []
    for score in row_scores:
        if score.mean is not None:
            finite.append(score)
    figure, axes = subplots(figsize=(7, 0.34 * len(finite) + 1.2), layout="constrained")
    ticks = []
    for y, score in enumerate(reversed(finite)):
        label = labels.get(score.name, score.name)
        colour = OTHERS
        if score.name in ours:
            colour = OURS
        face = "white"
        if label == score.name:
            face = colour
        bounds = np.asarray(score.ci95, float)  # None becomes NaN, which is not drawn
        axes.plot(bounds, [y, y], color=colour, lw=3, solid_capstyle="round")
        axes.plot(np.asarray(score.mean, float), y, "o", color=colour, ms=7, mfc=face)
        ticks.append(str(label))
    axes.set_yticks(range(len(finite)), ticks)
    first = finite[0]
    axes.set_xlabel(f"{first.metric} on {first.n} held-out lives, mean and 95 % interval")
    axes.grid(axis="x", alpha=0.3)
    save(figure, path)
