"""Means with intervals: over splits, over lives, and of paired differences."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

RESAMPLES = 2000
FEW = 10  # values; a percentile bootstrap over fewer is too narrow


class Estimate(NamedTuple):
    """mean, 95 % interval (low, high), number of values."""

    mean: float
    low: float
    high: float
    n: int


def estimate(groups: Sequence[np.ndarray], seed: int = 0) -> Estimate:
    """The mean over groups of the mean within each group; n counts all values.

    Several groups: `student` of their means. n splits are n independent values, however many lives
    each has; a percentile bootstrap over five of them covers 83 %, not 95 %
    (tests/results/test_statistics.py). One group: `bootstrap` of its lives, or `student` of fewer
    than FEW.

    Args:
        groups: one array of per-life values per split.
        seed: of the bootstrap.
    """
    values = []
    for group in groups:
        values.append(np.asarray(group, np.float64))
    if len(values) == 1:
        if len(values[0]) >= FEW:
            return bootstrap(values[0], seed)
        return student(values[0])
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


def share(part: np.ndarray, whole: np.ndarray, seed: int = 0) -> Estimate:
    """The mean of one value over the mean of another, on the same lives.

        share = mean part / mean whole

    The interval is that of the percentile bootstrap, which draws lives with both of their values.
    The share is NaN where the mean of the whole is not above 0 by its 95 % interval.

    Args:
        part: one value a life [n].
        whole: the other value [n].
        seed: of the bootstrap.
    """
    n = len(whole)
    if not n or not estimate([whole]).low > 0.0:
        return Estimate(math.nan, math.nan, math.nan, n)
    rows = np.random.default_rng(seed).integers(n, size=(RESAMPLES, n))
    wholes = whole[rows].mean(axis=1)
    shares = part[rows].mean(axis=1)[wholes > 0] / wholes[wholes > 0]
    low, high = np.quantile(shares, [0.025, 0.975])
    return Estimate(float(part.mean() / whole.mean()), float(low), float(high), n)


def student(values: Sequence[float] | np.ndarray, level: float = 0.95) -> Estimate:
    """The mean with Student's interval, for independent and about normal values.

        mean -+ t s / sqrt(n)

    s: standard deviation with n - 1.
    t: two-sided point of `level` with n - 1 degrees of freedom.

    The interval of a single value is NaN.
    """
    array = np.asarray(values, np.float64)
    n = len(array)
    mean = float(array.mean())
    half = math.nan
    if n > 1:
        half = t_quantile(n - 1, level) * float(array.std(ddof=1)) / math.sqrt(n)
    return Estimate(mean, mean - half, mean + half, n)


def binomial(k: int, n: int, tries: int = 1) -> Estimate:
    """The share k / n with the exact 95 % interval of Clopper & Pearson 1934 (Biometrika 26, 404).

    Args:
        k: the number that counts.
        n: of how many.
        tries: the number of shares of which the best is taken; each interval is wider then.
    """
    from scipy.special import betaincinv  # as in t_quantile

    if n == 0:
        return Estimate(math.nan, 0.0, 1.0, 0)
    tail = 0.025 / tries
    low = float(betaincinv(k, n - k + 1, tail)) if k > 0 else 0.0
    high = float(betaincinv(k + 1, n - k, 1 - tail)) if k < n else 1.0
    return Estimate(k / n, low, high, n)


def t_quantile(df: int, level: float = 0.95) -> float:
    """The bound within which Student's t lies with probability `level`; df: degrees of freedom."""
    from scipy.special import stdtrit  # 0.14 s, and few runs need it

    return float(stdtrit(df, 0.5 + level / 2))
