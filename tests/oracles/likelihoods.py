"""Every likelihood as SciPy has it: (likelihood, activity a [N]) -> what is known of the values y
[N] of one row.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from scipy import special, stats

from metaplast.registry import name_of


class Known(NamedTuple):
    """log_p: y [N] -> log P(y | a), minus infinity where y cannot be. values [m, N] and p [m, N]:
    for every unit, what it can do and how probable that is, so that expectations are plain sums."""

    log_p: Callable[[np.ndarray], float]
    values: np.ndarray
    p: np.ndarray


def gaussian(likelihood: Any, a: np.ndarray) -> Known:
    x, w = np.polynomial.hermite_e.hermegauss(20)
    p = np.repeat(w[:, None] / w.sum(), len(a), axis=1)
    return Known(
        lambda y: stats.norm(a, likelihood.sd).logpdf(y).sum(), a + likelihood.sd * x[:, None], p
    )


def poisson(likelihood: Any, a: np.ndarray) -> Known:
    return _discrete(stats.poisson(a), np.arange(60.0), len(a))


def bernoulli(likelihood: Any, a: np.ndarray) -> Known:
    return _discrete(stats.bernoulli(special.expit(a)), np.arange(2.0), len(a))


def _discrete(units: Any, values: np.ndarray, n: int) -> Known:
    y = np.repeat(values[:, None], n, axis=1)
    return Known(lambda y: units.logpmf(y).sum(), y, units.pmf(y))


def categorical(likelihood: Any, a: np.ndarray) -> Known:
    choice, n = special.softmax(a), len(a)
    p = np.repeat(choice[:, None], n, axis=1)
    return Known(lambda y: float(stats.multinomial(1, choice).logpmf(y)), np.eye(n), p)


def joint(likelihood: Any, a: np.ndarray) -> Known:
    """The parts know nothing of each other: where one has fewer values, the rest of its column has
    no weight.
    """
    parts = likelihood.parts(len(a))
    each = [
        globals()[name_of(type(part.likelihood))](part.likelihood, a[part.columns])
        for part in parts
    ]
    values = np.zeros((max(len(known.values) for known in each), len(a)))
    p = np.zeros_like(values)
    for part, known in zip(parts, each, strict=True):
        values[: len(known.values), part.columns] = known.values
        p[: len(known.values), part.columns] = known.p

    def log_p(y: np.ndarray) -> float:
        return sum(known.log_p(y[part.columns]) for part, known in zip(parts, each, strict=True))

    return Known(log_p, values, p)
