"""Means with intervals over splits and lives."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

RESAMPLES = 2000


class Estimate(NamedTuple):
    """mean, 95 % interval (low, high), number of values."""

    mean: float
    low: float
    high: float
    n: int


def bootstrap(groups: Sequence[np.ndarray], seed: int = 0) -> Estimate:
    """The mean over groups of the mean within each, with the percentile bootstrap's 95 % interval.

    groups: one array of per-life values per split. A resample draws splits with replacement, then lives within each
    drawn split (Davison & Hinkley 1997, section 3.8); with one split it draws lives alone.
    """
    generator = np.random.default_rng(seed)
    resampled = np.stack([_means(np.asarray(g, np.float64), len(groups), generator) for g in groups])
    chosen = generator.integers(len(groups), size=(RESAMPLES, len(groups)))
    draws = resampled[chosen, np.arange(len(groups))[None, :], np.arange(RESAMPLES)[:, None]].mean(axis=1)
    low, high = np.quantile(draws, [0.025, 0.975])
    return Estimate(float(np.mean([np.mean(g) for g in groups])), float(low), float(high), sum(len(g) for g in groups))


def _means(values: np.ndarray, n_slots: int, generator: np.random.Generator) -> np.ndarray:
    """Bootstrap means of one group, [n_slots, RESAMPLES]: a fresh resample for every slot it may be drawn into."""
    out = np.empty((n_slots, RESAMPLES))
    for index in np.ndindex(n_slots, RESAMPLES // 100):
        rows = generator.integers(len(values), size=(100, len(values)))
        out[index[0], 100 * index[1] : 100 * (index[1] + 1)] = values[rows].mean(axis=1)
    return out
