"""The few terms of a library that explain a change of weight."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

COLLINEAR = 1e-6
"""The share of a column's power beyond earlier columns below which it counts as one of them."""
FLOOR = 1e-3
"""The share of the variance below which a difference between two rules counts as noise.

Without it, an exact copy would keep every rounding error as a term.
"""
THRESHOLDS = np.geomspace(1e-4, 1.0, 25)
"""Thresholds of the sequential regression, as shares of the root mean square of the change."""
RESAMPLES = 200


class Support(NamedTuple):
    """A fit of a change by some terms.

    terms: places of the terms in the library, in its order.
    coefficients: of these terms.
    low, high: ends of their 95 % intervals, over resampled lives.
    unexplained: the residual sum of squares, as a share of that of the change about its mean.
    bic: the criterion of the fit.
    same: places of terms left out, because they are sums of terms before them on these signals.
    """

    terms: tuple[int, ...]
    coefficients: np.ndarray
    low: np.ndarray
    high: np.ndarray
    unexplained: float
    bic: float
    same: tuple[int, ...]


class _Moments(NamedTuple):
    """Sums over the samples of every life, for columns of unit root mean square.

    gram: [n_lives, n_terms, n_terms].
    cross: of terms and change [n_lives, n_terms].
    power: of the change [].
    total: of the change about its mean [].
    scale: root mean square of every column [n_terms].
    """

    gram: np.ndarray
    cross: np.ndarray
    power: float
    total: float
    scale: np.ndarray


def fit(columns: Sequence[np.ndarray], change: np.ndarray, lives: np.ndarray) -> Support:
    """The terms whose sum explains the change, at the least value of an information criterion.

        BIC = n log(RSS / TSS + FLOOR) + k log n

    n: the number of lives. Steps and synapses of one life depend on each other, so each life counts
        as one sample: a term must lower the residual by more than n^(1/n) to be kept.
    k: the number of terms.
    RSS, TSS: sums of squares of the residual, and of the change about its mean.

    The candidates are the supports of two paths. One is sequential thresholded least squares
    (Brunton, Proctor & Kutz 2016) with columns scaled to unit root mean square, at many thresholds.
    The other one leaves out, step by step, the term that the fit misses least. The second finds the
    terms where columns are so alike that thresholds mislead.

    Args:
        columns: the values of every term [n], in the order in which terms are preferred.
        change: [n].
        lives: the number of the life of every sample [n].

    Source: Schwarz 1978 for the criterion.
    """
    moments = _moments(columns, change, lives)
    n_lives = len(moments.gram)
    gram = moments.gram.sum(axis=0)
    cross = moments.cross.sum(axis=0)
    free, same = _independent(gram)
    candidates: dict[tuple[int, ...], None] = {(): None}
    for support in (*_thresholded(gram, cross, free, moments), *_backward(gram, cross, free)):
        candidates[support] = None
    best: tuple[int, ...] = ()
    least = np.inf
    for support in candidates:
        bic = _bic(gram, cross, support, moments, n_lives)
        if bic < least:
            best, least = support, bic
    places: list[int] = list(best)
    coefficients = _solved(gram, cross, places) / moments.scale[places]
    low, high = _intervals(moments, places)
    unexplained = _residual(gram, cross, places, moments) / moments.total
    return Support(best, coefficients, low, high, unexplained, least, same)


def _moments(columns: Sequence[np.ndarray], change: np.ndarray, lives: np.ndarray) -> _Moments:
    matrix = np.stack([np.asarray(column, np.float64) for column in columns], axis=1)
    scale = np.sqrt(np.mean(matrix**2, axis=0))
    scale[scale == 0] = 1.0
    matrix /= scale
    grams = []
    crosses = []
    for life in np.unique(lives):
        rows = lives == life
        part = matrix[rows]
        grams.append(part.T @ part)
        crosses.append(part.T @ change[rows])
    total = float(np.sum((change - change.mean()) ** 2))
    return _Moments(np.stack(grams), np.stack(crosses), float(change @ change), total or 1.0, scale)


def _independent(gram: np.ndarray) -> tuple[list[int], tuple[int, ...]]:
    """(places of columns beyond the span of those before them, places of all other columns)."""
    free: list[int] = []
    same = []
    for place in range(len(gram)):
        power = gram[place, place]
        beyond = power
        if free and power > 0:
            within = np.linalg.solve(gram[np.ix_(free, free)], gram[free, place])
            beyond = power - gram[place, free] @ within
        if power > 0 and beyond > COLLINEAR * power:
            free.append(place)
        else:
            same.append(place)
    return free, tuple(same)


def _thresholded(
    gram: np.ndarray, cross: np.ndarray, free: list[int], moments: _Moments
) -> list[tuple[int, ...]]:
    """The supports of sequential thresholded least squares."""
    n = gram[free[0], free[0]] if free else 1.0
    size = np.sqrt(moments.power / n)
    supports = []
    for threshold in THRESHOLDS:
        kept = list(free)
        while kept:
            scaled = _solved(gram, cross, kept)
            large = np.abs(scaled) >= threshold * size
            if large.all():
                break
            kept = [place for place, stays in zip(kept, large, strict=True) if stays]
        supports.append(tuple(kept))
    return supports


def _backward(gram: np.ndarray, cross: np.ndarray, free: list[int]) -> list[tuple[int, ...]]:
    """The supports as the term that the fit misses least is left out, again and again."""
    kept = list(free)
    supports = [tuple(kept)]
    while kept:
        inverse = np.linalg.inv(gram[np.ix_(kept, kept)])
        missed = (inverse @ cross[kept]) ** 2 / np.diag(inverse)
        kept.pop(int(np.argmin(missed)))
        supports.append(tuple(kept))
    return supports


def _solved(gram: np.ndarray, cross: np.ndarray, places: Sequence[int]) -> np.ndarray:
    places = list(places)
    if not places:
        return np.zeros(0)
    return np.linalg.lstsq(gram[np.ix_(places, places)], cross[places], rcond=1e-13)[0]


def _residual(
    gram: np.ndarray, cross: np.ndarray, places: Sequence[int], moments: _Moments
) -> float:
    places = list(places)
    explained = float(_solved(gram, cross, places) @ cross[places])
    return max(0.0, moments.power - explained)


def _bic(
    gram: np.ndarray,
    cross: np.ndarray,
    support: tuple[int, ...],
    moments: _Moments,
    n_lives: int,
) -> float:
    share = _residual(gram, cross, support, moments) / moments.total
    return n_lives * np.log(share + FLOOR) + len(support) * np.log(max(n_lives, 2))


def _intervals(moments: _Moments, places: list[int]) -> tuple[np.ndarray, np.ndarray]:
    """The ends of the percentile bootstrap's 95 % intervals over lives."""
    n_lives = len(moments.gram)
    if not places or n_lives < 2:
        unknown = np.full(len(places), np.nan)
        return unknown, unknown
    generator = np.random.default_rng(0)
    draws = []
    for _ in range(RESAMPLES):
        chosen = generator.integers(n_lives, size=n_lives)
        gram = moments.gram[chosen].sum(axis=0)
        cross = moments.cross[chosen].sum(axis=0)
        draws.append(_solved(gram, cross, places) / moments.scale[places])
    low, high = np.quantile(np.stack(draws), [0.025, 0.975], axis=0)
    return low, high
