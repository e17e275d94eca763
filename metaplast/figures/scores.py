"""The figure of scores: each row's mean with its interval."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from metaplast.figures import cut
from metaplast.figures.style import OTHERS, OURS, save, subplots
from metaplast.results.numbers import number
from metaplast.results.summary import RowScore


class Panel(NamedTuple):
    """The rows of one axis.

    scores: of the rows, in the order of the table.
    ours: the names of the rows in blue.
    labels: {row: label}. A row under another label than its name is drawn hollow.
    """

    scores: Sequence[RowScore]
    ours: Sequence[str]
    labels: Mapping[str, str] = {}

    def finite(self) -> list[RowScore]:
        """The scores that can be drawn."""
        return [score for score in self.scores if score.mean is not None]


def draw(
    row_scores: Sequence[RowScore],
    path: Path,
    ours: Sequence[str],
    labels: Mapping[str, str] | None = None,
) -> None:
    """Draw each row's mean with its 95 % interval, in the order of the table; our rows in blue.

    A row far from ours lies outside, so that the intervals of the others can be seen. An arrow
    points to it, and its label says its mean.

    Args:
        row_scores: as `results.table.scores` gives them.
        path: of the picture.
        ours: the names of the rows in blue.
        labels: {row: label}. A row under another label than its name is drawn hollow.
    """
    draw_panels([Panel(row_scores, ours, labels or {})], path)


def draw_panels(panels: Sequence[Panel], path: Path) -> None:
    """Draw rows that cannot share an axis, such as those of several tasks, one below the other.

    Args:
        panels: with one finite score at least.
        path: of the picture.
    """
    heights = []
    for panel in panels:
        heights.append(0.34 * len(panel.finite()) + 1.2)
    figure, grid = subplots(
        len(panels),
        figsize=(7, sum(heights)),
        layout="constrained",
        squeeze=False,
        height_ratios=heights,
    )
    for axes, panel in zip(grid[:, 0], panels, strict=True):
        _draw(axes, panel)
    save(figure, path)


def _draw(axes: Any, panel: Panel) -> None:
    """Draw the rows of one panel."""
    finite = panel.finite()
    low, high = _range(finite, panel.ours)
    ticks = []
    for y, score in enumerate(reversed(finite)):
        label = panel.labels.get(score.name, score.name)
        colour = OTHERS
        if score.name in panel.ours:
            colour = OURS
        face = "white"
        if label == score.name:
            face = colour
        mean = float(score.mean or 0.0)
        if not low <= mean <= high:
            side = low if mean < low else high
            arrow = "<" if mean < low else ">"
            axes.plot(side, y, arrow, color=colour, ms=7, clip_on=False)
            ticks.append(f"{label}  {number(mean, '.3g')}")
            continue
        bounds = np.asarray(score.ci95, float)  # None becomes NaN, which is not drawn
        axes.plot(bounds, [y, y], color=colour, lw=3, solid_capstyle="round")
        axes.plot(mean, y, "o", color=colour, ms=7, mfc=face)
        ticks.append(str(label))
    axes.set_xlim(low, high)
    axes.set_yticks(range(len(finite)), ticks)
    first = finite[0]
    axes.set_xlabel(f"{first.metric} on {first.n} held-out lives, mean and 95 % interval")
    axes.grid(axis="x", alpha=0.3)


def _range(finite: Sequence[RowScore], ours: Sequence[str]) -> tuple[float, float]:
    """The ends of the axis, around our first row, or the first row where ours has no mean."""
    means = np.array([score.mean for score in finite], float)
    names = [score.name for score in finite]
    centre = means[0]
    if ours and ours[0] in names:
        centre = means[names.index(ours[0])]
    ends = np.array([score.ci95 for score in finite], float)
    lowest = np.fmin(ends[:, 0], means)
    highest = np.fmax(ends[:, 1], means)
    sizes = np.fmax(np.abs(lowest - centre), np.abs(highest - centre))
    others = [size for name, size in zip(names, sizes, strict=True) if name not in ours]
    limit = cut.reach(np.array(others or sizes))
    is_near = np.abs(means - centre) <= limit
    low = float(lowest[is_near].min())
    high = float(highest[is_near].max())
    margin = 0.05 * (high - low) or 0.5 * abs(centre) or 1.0
    return low - margin, high + margin
