"""The figure of numbers over seeds: every mean with its interval."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from metaplast.figures.style import OURS, hide, save, subplots
from metaplast.results.statistics import Estimate


def draw(panels: Mapping[str, Mapping[str, Estimate]], label: str, path: Path) -> None:
    """Draw one panel per slot or edge: the mean over seeds of every number with its interval.

    Args:
        panels: {slot or edge: {number: estimate over seeds}}.
        label: of the horizontal axes.
        path: of the picture.
    """
    n_columns = min(2, len(panels))
    n_lines = -(-len(panels) // n_columns)
    height = 0.26 * max(len(values) for values in panels.values()) + 0.9
    figure, grid = subplots(
        n_lines,
        n_columns,
        figsize=(4.6 * n_columns + 0.6, height * n_lines),
        layout="constrained",
        squeeze=False,
    )
    for axes, (entry, values) in zip(grid.flat, panels.items(), strict=False):
        for y, estimate in enumerate(reversed(list(values.values()))):
            if np.isfinite(estimate.low):
                bounds = [estimate.low, estimate.high]
                axes.plot(bounds, [y, y], color=OURS, lw=2.5, solid_capstyle="round")
            axes.plot(estimate.mean, y, "o", color=OURS, ms=5)
        axes.axvline(0, color="0.4", lw=0.8)
        axes.set_yticks(range(len(values)), list(values)[::-1], fontsize=8)
        axes.set_ylim(-0.6, len(values) - 0.4)
        axes.set_title(entry, fontsize=9)
        axes.set_xlabel(label, fontsize=8)
        axes.grid(axis="x", alpha=0.3)
    hide(list(grid.flat)[len(panels) :])
    save(figure, path)
