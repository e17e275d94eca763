"""Statistics of spike trains: rates of a population, intervals between spikes, their variation."""

from typing import NamedTuple

import numpy as np

from metaplast.registry import BadInput

LEAST_SPIKES = 3
"""A cell with fewer spikes has no coefficient of variation: it has at most one interval."""


class Intervals(NamedTuple):
    """The intervals between the spikes of each cell of a population.

    all: the intervals of all cells, cell after cell [n_intervals], seconds.
    cv: standard deviation over mean of a cell's intervals [n_cells], for each cell with at least
        LEAST_SPIKES spikes.
    n_cells: the number of cells.
    n_silent: cells without a spike.
    n_few: cells that spike, but less than LEAST_SPIKES times.
    n_broken: cells with a value that is not finite. They are left out of all the above but n_cells.
    """

    all: np.ndarray
    cv: np.ndarray
    n_cells: int
    n_silent: int
    n_few: int
    n_broken: int


def trains(spikes: np.ndarray) -> np.ndarray:
    """The spikes as an array of numbers. Raises: BadInput for another shape than [n_steps, n]."""
    spikes = np.asarray(spikes)
    if spikes.ndim != 2 or not spikes.shape[0]:
        raise BadInput(
            f"spikes of shape {spikes.shape}", "[n_steps, n_cells]", "one column for each cell"
        )
    return spikes


def intervals(spikes: np.ndarray, dt: float) -> Intervals:
    """The intervals between the spikes of each cell, and how much they vary.

    Several spikes of one step are 0 s apart. The CV is s / m, with m the mean of a cell's
    intervals and s^2 = mean (interval - m)^2.

    Args:
        spikes: the number of spikes of each cell in each step [n_steps, n_cells].
        dt: seconds of a step.

    Raises: BadInput for another shape.
    """
    spikes = trains(spikes)
    broken = ~np.isfinite(spikes).all(axis=0)
    of_cells = []
    cv = []
    n_silent = 0
    n_few = 0
    for cell in np.flatnonzero(~broken):
        counts = spikes[:, cell].astype(int)
        steps = np.repeat(np.arange(len(counts)), counts)
        between = dt * np.diff(steps)
        of_cells.append(between)
        if not len(steps):
            n_silent += 1
        elif len(steps) < LEAST_SPIKES:
            n_few += 1
        else:
            mean = between.mean()
            cv.append(between.std() / mean if mean > 0.0 else 0.0)
    return Intervals(
        all=np.concatenate(of_cells) if of_cells else np.zeros(0),
        cv=np.asarray(cv, float),
        n_cells=spikes.shape[1],
        n_silent=n_silent,
        n_few=n_few,
        n_broken=int(broken.sum()),
    )


class PopulationRate(NamedTuple):
    """The rate of a population over time.

    edges: the ends of the bins [n_bins + 1], seconds.
    rate: spikes per second and cell in each bin [n_bins]; NaN where a value is not finite.
    """

    edges: np.ndarray
    rate: np.ndarray


def population_rate(spikes: np.ndarray, dt: float, width: float) -> PopulationRate:
    """The mean rate of the cells of a population in bins of time.

    Args:
        spikes: the number of spikes of each cell in each step [n_steps, n_cells].
        dt: seconds of a step.
        width: of a bin, seconds; at least one step. The last bin may be shorter.

    Raises: BadInput for another shape.
    """
    spikes = trains(spikes)
    n_steps, n_cells = spikes.shape
    starts = np.arange(0, n_steps, max(1, round(width / dt)))
    edges = np.append(starts, n_steps)
    counts = np.add.reduceat(spikes.sum(axis=1, dtype=float), starts)
    return PopulationRate(dt * edges, counts / (max(n_cells, 1) * dt * np.diff(edges)))


def cell_rates(spikes: np.ndarray, dt: float) -> np.ndarray:
    """The rate of each cell [n_cells], spikes per second; NaN where a value is not finite.

    Args:
        spikes: the number of spikes of each cell in each step [n_steps, n_cells].
        dt: seconds of a step.

    Raises: BadInput for another shape.
    """
    spikes = trains(spikes)
    return spikes.sum(axis=0, dtype=float) / (dt * len(spikes))
