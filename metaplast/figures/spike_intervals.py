"""The figure of intervals between spikes: how long they are, and how much they vary in a cell."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.ticker import MaxNLocator

from metaplast.figures.populations import colours, in_order
from metaplast.figures.style import OTHERS, Picture, subplots
from metaplast.results.numbers import number
from metaplast.results.spike_statistics import LEAST_SPIKES, Intervals

N_BINS = 40
MOST_SHOWN = 0.98
"""The share of the intervals that the axis reaches; the few that are longer are counted."""
POISSON = 1.0
"""The CV of a Poisson process."""


def draw(found: Mapping[str, Intervals], dt: float, signs: Mapping[str, int]) -> Picture:
    """Histograms of a population's intervals (left) and of the CV of each of its cells (right).

    Args:
        found: {population: the intervals of its cells}.
        dt: seconds of a step; bins are whole steps.
        signs: {population: +1 excitatory, -1 inhibitory, 0 neither}.
    """
    found = in_order(found, signs)
    figure, grid = subplots(
        len(found), 2, figsize=(8.2, 0.5 + 2.5 * len(found)), layout="constrained", squeeze=False
    )
    colour = colours(list(found), signs)
    for (left, right), (name, each) in zip(grid, found.items(), strict=True):
        _lengths(left, each, dt, colour[name])
        left.set_ylabel(f"{name}\nintervals", color=colour[name])
        _variation(right, each, colour[name])
    grid[-1, 0].set_xlabel("interval between two spikes of a cell, ms")
    grid[-1, 1].set_xlabel("CV of a cell (dashed: Poisson process)")
    return figure


def words(name: str, each: Intervals) -> str:
    """A population's intervals in a sentence; cells without a CV are counted.

    Args:
        name: of the population.
        each: its intervals.
    """
    first = f"{name}: {_n_intervals(each)}"
    if len(each.all):
        first += f", median {number(1e3 * float(np.median(each.all)), '.3g')} ms"
    if len(each.cv):
        first += f", mean CV {number(float(each.cv.mean()), '.2g')}"
    return f"{first}; {_counted(each)}."


def _n_intervals(each: Intervals) -> str:
    """The number of intervals in words."""
    n = len(each.all)
    if n == 1:
        return "1 interval"
    return f"{n} intervals" if n else "no interval"


def _counted(each: Intervals) -> str:
    """The cells with a CV, and those without by the reason."""
    parts = [f"CV of {len(each.cv)} of {each.n_cells} cells"]
    if each.n_silent:
        parts.append(f"{each.n_silent} silent")
    if each.n_few:
        parts.append(f"{each.n_few} with fewer than {LEAST_SPIKES} spikes")
    if each.n_broken:
        parts.append(f"{each.n_broken} not finite")
    return ", ".join(parts)


def _lengths(axes: Any, each: Intervals, dt: float, colour: str) -> None:
    """Draw the histogram of the intervals, in bins of whole steps."""
    if not len(each.all):
        _nothing(axes, "no cell has two spikes")
        axes.set_title(_n_intervals(each), fontsize=9)
        return
    steps = np.round(each.all / dt).astype(int)
    reach = max(1, int(np.quantile(steps, MOST_SHOWN, method="higher")))
    width = max(1, -(-(reach + 1) // N_BINS))
    edges = np.arange(0, reach + width + 1, width)
    shown = steps[steps < edges[-1]]
    axes.hist(1e3 * dt * shown, 1e3 * dt * (edges - 0.5), color=colour, alpha=0.75)
    axes.yaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.set_xlim(0.0, 1e3 * dt * (edges[-1] - 0.5))
    title = _n_intervals(each)
    if len(shown) < len(steps):
        title += f", {len(steps) - len(shown)} of them longer than shown"
    axes.set_title(title, fontsize=9)


def _variation(axes: Any, each: Intervals, colour: str) -> None:
    """Draw the histogram of the CV of cells."""
    axes.set_title(_counted(each).replace(", ", "\n", 1), fontsize=9)
    if not len(each.cv):
        _nothing(axes, f"no cell has {LEAST_SPIKES} spikes")
        return
    high = max(1.5, 1.05 * float(each.cv.max()))
    axes.hist(each.cv, np.linspace(0.0, high, 25), color=colour, alpha=0.75)
    axes.axvline(POISSON, color=OTHERS, ls="--", lw=1.0)
    axes.set_xlim(0.0, high)
    axes.yaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.set_ylabel("cells")


def _nothing(axes: Any, words: str) -> None:
    """A panel without data says why."""
    axes.text(0.5, 0.5, words, transform=axes.transAxes, ha="center", va="center", fontsize=9)
    axes.set_xticks([])
    axes.set_yticks([])
