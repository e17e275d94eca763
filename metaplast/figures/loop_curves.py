"""The figure of a comparison of outer loops: validation loss against what was spent."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.ticker import FuncFormatter

from metaplast.figures.style import PALETTE, save, subplots
from metaplast.results.loop_comparison import CurvePoint, EnteredLoop, LoopComparison
from metaplast.results.loops import UNITS


def draw(comparison: LoopComparison, path: Path) -> None:
    """Draw one panel per budget: the mean over seeds at every mark with its 95 % interval.

    Both axes are logarithmic where they can be. A mark at which a seed was not finite is left out
    of the line and drawn as a cross at the top.

    Args:
        comparison: of the outer loops.
        path: of the picture.
    """
    budgets = list(comparison.best)
    figure, grid = subplots(
        1,
        len(budgets),
        figsize=(4.6 * len(budgets) + 1.8, 4),
        layout="constrained",
        squeeze=False,
        sharey=True,
    )
    panels = list(grid[0])
    entered = comparison.entered
    for axes, budget in zip(panels, budgets, strict=True):
        for index, (name, loop) in enumerate(entered.items()):
            colour = PALETTE[index % len(PALETTE)]
            _line(axes, loop.curves[budget], budget, colour, name)
        if _any_spent(entered, budget):
            axes.set_xscale("log", base=2)
        axes.xaxis.set_major_formatter(FuncFormatter(_tick))
        axes.set_xlabel(f"{UNITS[budget]} spent")
        axes.grid(alpha=0.3)
        if comparison.is_ratio:
            _set_logarithmic_range(axes, entered)
    panels[0].set_ylabel(f"loss on validation lives, mean of {_n_seeds(entered)} seeds")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside right upper", fontsize=8, frameon=False)
    save(figure, path)


def _line(axes: Any, points: Sequence[CurvePoint], budget: str, colour: str, name: str) -> None:
    marks = []
    for point in points:
        marks.append((point.lives, point.spent(budget), point.mean, *point.ci95))
    lives, spent, mean, low, high = np.array(marks, float).T  # None becomes NaN
    x = np.maximum(spent, 1e-9)
    moved = lives > 0
    axes.fill_between(x[moved], low[moved], high[moved], color=colour, alpha=0.15, lw=0)
    label = name
    if not moved.any():
        label = f"{name} (no step)"
    axes.plot(x[moved], mean[moved], "o-", ms=3, color=colour, lw=1.6, label=label)
    broken = moved & np.isnan(mean)
    top = np.ones(broken.sum())
    axes.plot(x[broken], top, "x", color=colour, transform=axes.get_xaxis_transform())


def _any_spent(entered: Mapping[str, EnteredLoop], budget: str) -> bool:
    """Whether any mark of this budget lies after the first life."""
    points: list[CurvePoint] = []
    for loop in entered.values():
        points += loop.curves[budget]
    return any(point.lives > 0 for point in points)


def _set_logarithmic_range(axes: Any, entered: Mapping[str, EnteredLoop]) -> None:
    """A logarithmic axis whose range follows the means, so that wide intervals hide no line."""
    means = []
    for loop in entered.values():
        for points in loop.curves.values():
            for point in points:
                if point.mean:
                    means.append(point.mean)
    axes.set_yscale("log")
    axes.set_ylim(min(means, default=0.5) / 2, 2 * max(means, default=0.5))


def _tick(value: float, _: int | None) -> str:
    return f"{value:,.3g}" if value < 1000 else f"{value:,.0f}"


def _n_seeds(entered: Mapping[str, EnteredLoop]) -> int:
    first = next(iter(entered.values()))
    points = next(iter(first.curves.values()))
    return points[0].n
