"""How well the numbers of a fitted rule are known: refits to data that the rule itself would have
given.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from metaplast.fitting.data import Data, arrays
from metaplast.fitting.engine import Member, Tick, fit
from metaplast.fitting.geometry import Direction, axes
from metaplast.fitting.numbers import FittedRule, numbers, vector
from metaplast.fitting.predict import drawn
from metaplast.fitting.scatter import scattered
from metaplast.outer import AbstractOuterLoop
from metaplast.problem.meta_problem import MetaProblem
from metaplast.problem.penalised import member
from metaplast.results.statistics import t_quantile
from metaplast.settings.fit import Fit
from metaplast.signals import Theta

ENOUGH = 200  # refits of which the percentiles are known


class Bootstrap(NamedTuple):
    """values [n_refits, n_names] of the numbers; interval: name -> (low, high), 95 %; directions:
    the loosest first;
    thetas [n_refits, ...]: the refitted rules; failed: refits whose numbers are not finite, left
    out;
    unsettled: refits that were not at rest."""

    names: list[str]
    values: np.ndarray
    interval: dict[str, tuple[float, float]]
    directions: list[Direction]
    thetas: Theta
    failed: int
    unsettled: int


def bootstrap(
    problem: MetaProblem,
    outer: AbstractOuterLoop,
    data: Data,
    fitted: FittedRule,
    residual_sd: float,
    settings: Fit,
    seed: int,
    tick: Tick = lambda *_: None,
) -> Bootstrap | None:
    """Parametric bootstrap (Efron & Tibshirani 1993, chapter 6), with the design held fixed.

    fitted: (theta, mask, residual standard deviation). settings.bootstrap data sets are drawn from
    the fitted rule on the training sessions' own stimuli, gates, rewards and mask, and refitted on
    the fitted support, each from another place around the fitted theta; intervals are the 2.5 and
    97.5 % points of ENOUGH refits, of fewer Student's t for one more refit. What differs between
    subjects is not
    drawn: see `intervals`. The choice of the support is not
    repeated: intervals hold given the terms. Rewards and gates stay those that were recorded, also
    where a drawn choice would have led to others. None where nothing is asked for or nothing is
    learned.
    """
    theta, mask = fitted
    if not settings.bootstrap or not jax.tree.leaves(theta["rules"]):
        return None
    train = data.sessions["train"]
    members = []
    for index in range(settings.bootstrap):
        key = jax.random.fold_in(jax.random.key(seed), index)
        values = drawn(problem.lifetime, theta, arrays(train), key, jnp.asarray(residual_sd, float))
        start = {**theta, "rules": scattered(theta["rules"], np.random.default_rng([seed, index]))}
        members.append(Member(start, mask, 0.0, jax.tree.map(np.asarray, values)))
    found = fit(problem, outer, train, members, settings, seed, tick)
    told = [numbers(problem.lifetime, f.theta) for f in found]
    names = [name for name in told[0] if _varies([t[name] for t in told])]
    values = np.stack([vector(t, names) for t in told])
    fine = np.isfinite(values).all(axis=1)
    values = values[fine]
    edges = _edges(values)
    return Bootstrap(
        names=names,
        values=values,
        interval={name: (float(edges[0, i]), float(edges[1, i])) for i, name in enumerate(names)},
        directions=directions(names, values, vector(numbers(problem.lifetime, theta), names)),
        thetas=member(_stacked([f.theta for f in found]), np.flatnonzero(fine)),
        failed=int((~fine).sum()),
        unsettled=sum(not f.stable for f in found),
    )


def directions(names: list[str], values: np.ndarray, centre: np.ndarray) -> list[Direction]:
    """Principal axes of the spread of the numbers, the loosest first. Loose: beyond LOOSE of the
    length of `centre`.
    """
    if len(values) < 3:
        return []
    return axes(names, np.cov(values.T).reshape(len(names), len(names)), centre)


def _edges(values: np.ndarray) -> np.ndarray:
    """[2, n_names]: what 95 % of refits [n_refits, n_names] lie between."""
    n = len(values)
    if n < 2:
        return np.full((2, values.shape[1]), np.nan)
    if n >= ENOUGH:
        return np.quantile(values, [0.025, 0.975], axis=0)
    half = t_quantile(n - 1) * np.sqrt(1.0 + 1.0 / n) * values.std(axis=0, ddof=1)
    return values.mean(axis=0) + np.stack([-half, half])


def _varies(values: list[float]) -> bool:
    """Numbers that a mask holds at 0 are no result."""
    return any(value != 0 for value in values)


def _stacked(thetas: list[Any]) -> Any:
    return jax.tree.map(lambda *x: np.stack([np.asarray(v) for v in x]), *thetas)
