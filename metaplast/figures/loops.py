"""Validation loss against what was spent, one line per outer loop."""

from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.ticker import FuncFormatter

from metaplast.figures.drawing import PALETTE, _save
from metaplast.results.loops import UNITS


def curves(result: dict[str, Any], path: Path) -> None:
    """One panel per budget: the mean over seeds at every mark with its 95 % interval, both axes
    logarithmic where they can be. Marks at which a seed was not finite are left out of the line and
    drawn as crosses at the top.
    """
    budgets = list(result["best"])
    figure, grid = plt.subplots(
        1,
        len(budgets),
        figsize=(4.6 * len(budgets) + 1.8, 4),
        layout="constrained",
        squeeze=False,
        sharey=True,
    )
    entered = {name: one for name, one in result["loops"].items() if not one["refused"]}
    for axes, budget in zip(grid[0], budgets, strict=True):
        for index, (name, one) in enumerate(entered.items()):
            marks, colour = one["curves"][budget], PALETTE[index % len(PALETTE)]
            x = np.array([max(mark[budget], 1e-9) for mark in marks])
            y, low, high = (
                np.array([np.nan if v is None else v for v in line], float)
                for line in _lines(marks)
            )
            moved = np.array([mark["lives"] > 0 for mark in marks])
            axes.fill_between(x[moved], low[moved], high[moved], color=colour, alpha=0.15, lw=0)
            axes.plot(x[moved], y[moved], "o-", ms=3, color=colour, lw=1.6, label=name)
            broken = moved & np.isnan(y)
            axes.plot(
                x[broken],
                np.ones(broken.sum()),
                "x",
                color=colour,
                transform=axes.get_xaxis_transform(),
            )
        if any(mark["lives"] > 0 for one in entered.values() for mark in one["curves"][budget]):
            axes.set_xscale("log", base=2)
        axes.xaxis.set_major_formatter(
            FuncFormatter(lambda x, _: f"{x:,.3g}" if x < 1000 else f"{x:,.0f}")
        )
        axes.set_xlabel(f"{UNITS[budget]} spent")
        axes.grid(alpha=0.3)
        if result["scale"] == "ratio":
            axes.set_yscale("log")
            means = [
                m["mean"]
                for one in entered.values()
                for c in one["curves"].values()
                for m in c
                if m["mean"]
            ]
            axes.set_ylim(
                min(means, default=0.5) / 2, 2 * max(means, default=0.5)
            )  # wide intervals hide no line
    grid[0][0].set_ylabel(f"loss on validation lives, mean of {_n_seeds(entered)} seeds")
    figure.legend(
        *grid[0][0].get_legend_handles_labels(),
        loc="outside right upper",
        fontsize=8,
        frameon=False,
    )
    _save(figure, path)


def _lines(marks: list[dict[str, Any]]) -> tuple[list[Any], list[Any], list[Any]]:
    return [m["mean"] for m in marks], [m["ci95"][0] for m in marks], [m["ci95"][1] for m in marks]


def _n_seeds(entered: dict[str, Any]) -> int:
    return next(iter(next(iter(entered.values()))["curves"].values()))[0]["n"]
