"""Means with intervals: over splits, over lives, and of paired differences."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.special import stdtrit

RESAMPLES = 2000
FEW = 10  # values; a percentile bootstrap over fewer is too narrow


class Estimate(NamedTuple):
    """mean, 95 % interval (low, high), number of values."""

    mean: float
    low: float
    high: float
    n: int


def estimate(groups: Sequence[np.ndarray], seed: int = 0) -> Estimate:
    """The mean over groups of the mean within each; n counts all values.

    groups: one array of per-life values per split. Several: `student` of their means, as n splits
    are n independent values, whatever number of lives each has; a percentile bootstrap over five of
    them covers 83 %, not 95 % (tests/results/test_statistics.py). One: `bootstrap` of its lives,
    or `student` of fewer than FEW.
    """
    values = [np.asarray(group, np.float64) for group in groups]
    if len(values) == 1:
        return bootstrap(values[0], seed) if len(values[0]) >= FEW else student(values[0])
    return student([float(np.mean(each)) for each in values])._replace(n=sum(map(len, values)))


def bootstrap(values: np.ndarray, seed: int = 0) -> Estimate:
    """The mean with the percentile bootstrap's 95 % interval (Davison & Hinkley 1997, section
    5.3.1).
    """
    generator = np.random.default_rng(seed)
    draws = np.empty(RESAMPLES)
    for index in range(RESAMPLES // 100):
        rows = generator.integers(len(values), size=(100, len(values)))
        draws[100 * index : 100 * (index + 1)] = values[rows].mean(axis=1)
    low, high = np.quantile(draws, [0.025, 0.975])
    return Estimate(float(np.mean(values)), float(low), float(high), len(values))


def student(values: Sequence[float] | np.ndarray, level: float = 0.95) -> Estimate:
    """mean -+ t s / sqrt(n), s with n - 1, t the two-sided point of `level`; the interval is NaN
    for a single value.

    Assumes that the values are independent and about normal.
    """
    array = np.asarray(values, np.float64)
    n, mean = len(array), float(array.mean())
    half = t_quantile(n - 1, level) * float(array.std(ddof=1)) / math.sqrt(n) if n > 1 else math.nan
    return Estimate(mean, mean - half, mean + half, n)


def t_quantile(df: int, level: float = 0.95) -> float:
    """Student's t with `df` degrees of freedom lies within -+ this with probability `level`."""
    return float(stdtrit(df, 0.5 + level / 2))
