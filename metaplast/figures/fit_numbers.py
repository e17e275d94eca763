"""The figure of a fitted rule's numbers, beside the true ones where they are known."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from metaplast.figures.style import OURS, TRUE, save, subplots
from metaplast.results.numbers import Bounds

MOST = 40  # numbers in one picture


def draw(
    fitted: Mapping[str, float],
    bounds: Mapping[str, Bounds],
    true: Mapping[str, float],
    path: Path,
    unit: str = "change of weight per step and unit of the term",
) -> None:
    """Draw the numbers of the fitted rule with their 95 % intervals, at most 40 of them.

    Args:
        fitted: {number: value}, in the order of the picture.
        bounds: {number: its interval}; a number without an interval may be missing.
        true: {number: true value}; empty where the truth is unknown.
        path: of the picture.
        unit: the words of the axis.
    """
    names = list(fitted)
    for name, value in true.items():
        if value and name not in fitted:
            names.append(name)
    names = names[:MOST]
    figure, axes = subplots(figsize=(7, 0.32 * len(names) + 1.3), layout="constrained")
    style = {"color": TRUE, "ms": 16, "mew": 2.5}
    for y, name in enumerate(reversed(names)):
        if name in bounds and bounds[name].low is not None:
            ends = np.asarray(bounds[name], float)
            axes.plot(ends, [y, y], color=OURS, lw=3, solid_capstyle="round")
        if name in fitted:
            label = "fitted" if y == 0 else None
            axes.plot(fitted[name], y, "o", color=OURS, ms=6, label=label)
        if true:
            label = "true" if y == 0 else None
            axes.plot(true.get(name, 0.0), y, "|", label=label, **style)
    axes.axvline(0.0, color="black", lw=0.8)
    axes.set_yticks(range(len(names)), list(reversed(names)))
    axes.set_xlabel(unit)
    axes.grid(axis="x", alpha=0.3)
    if true:
        axes.legend(loc="best", frameon=False)
    save(figure, path)
