"""The bootstrap of a fitted rule: refits to data that the rule itself would have given."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from metaplast.fitting.data import Data, arrays
from metaplast.fitting.engine import Member, SearchResult, Tick, fit
from metaplast.fitting.geometry import Direction, axes
from metaplast.fitting.numbers import FittedRule, numbers, vector
from metaplast.fitting.predict import drawn
from metaplast.fitting.scatter import scattered
from metaplast.outer import AbstractOuterLoop
from metaplast.problem.lives import take
from metaplast.problem.meta_problem import MetaProblem
from metaplast.results.statistics import t_quantile
from metaplast.settings.fit import Fit
from metaplast.signals import Theta

ENOUGH = 200  # refits of which the percentiles are known


class Bootstrap(NamedTuple):
    """The refits of a rule.

    names: of the numbers.
    values [n_refits, n_names]: the numbers of every refit.
    interval: {name: (low, high)}, 95 %.
    directions: principal axes of the numbers, the loosest first.
    thetas [n_refits, ...]: the refitted rules.
    failed: refits whose numbers are not finite; they are left out.
    unsettled: refits that were not at rest.
    """

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

    settings.bootstrap data sets are drawn from the fitted rule, on the stimuli, gates, rewards and
    mask of the training sessions. Each is refitted on the fitted support, from another place around
    the fitted theta. Intervals are the 2.5 and 97.5 % points of ENOUGH refits; of fewer, Student's
    t for one more refit.

    Differences between subjects are not drawn: see `intervals`. The choice of the support is not
    repeated: intervals hold given the terms. Rewards and gates stay those that were recorded, also
    where a drawn choice would have led to others.

    Args:
        problem, outer: as of the fit.
        data: the sessions, of which those of training are drawn anew.
        fitted: the rule and its mask.
        residual_sd: standard deviation of the residuals.
        settings: of the fit.
        seed: of the draws and starts.
        tick: called with (outer steps done, of all).

    Returns: None where no refits are asked for or nothing is learned.
    """
    theta, mask = fitted
    if not settings.bootstrap or not jax.tree.leaves(theta["rules"]):
        return None
    train = data.sessions["train"]
    members = []
    for index in range(settings.bootstrap):
        key = jax.random.fold_in(jax.random.key(seed), index)
        sd = jnp.asarray(residual_sd, float)
        values = drawn(problem.lifetime, theta, arrays(train), key, sd)
        start = {**theta, "rules": scattered(theta["rules"], np.random.default_rng([seed, index]))}
        members.append(Member(start, mask, 0.0, jax.tree.map(np.asarray, values)))
    refits = fit(problem, outer, train, members, settings, seed, tick)
    return _summary(problem, theta, refits)


def _summary(problem: MetaProblem, theta: Theta, refits: list[SearchResult]) -> Bootstrap:
    """Refits summed up. Numbers that a mask holds at 0 in all of them are left out."""
    of_refits = []
    for refit in refits:
        of_refits.append(numbers(problem.lifetime, refit.theta))
    names = []
    for name in of_refits[0]:
        if any(values[name] != 0 for values in of_refits):
            names.append(name)
    values = np.stack([vector(refit_values, names) for refit_values in of_refits])
    fine = np.isfinite(values).all(axis=1)
    values = values[fine]
    edges = _edges(values)
    interval = {}
    for index, name in enumerate(names):
        interval[name] = (float(edges[0, index]), float(edges[1, index]))
    centre = vector(numbers(problem.lifetime, theta), names)
    return Bootstrap(
        names=names,
        values=values,
        interval=interval,
        directions=directions(names, values, centre),
        thetas=take(_stacked([refit.theta for refit in refits]), np.flatnonzero(fine)),
        failed=int((~fine).sum()),
        unsettled=sum(not refit.stable for refit in refits),
    )


def directions(names: list[str], values: np.ndarray, centre: np.ndarray) -> list[Direction]:
    """Principal axes of the spread of the numbers, the loosest first; none of fewer than 3 refits.

    Args:
        names: of the numbers.
        values: [n_refits, n_names].
        centre: the fitted numbers [n_names]; a direction is loose beyond LOOSE of their length.
    """
    if len(values) < 3:
        return []
    return axes(names, np.cov(values.T).reshape(len(names), len(names)), centre)


def _edges(values: np.ndarray) -> np.ndarray:
    """The ends [2, n_names] between which 95 % of refits [n_refits, n_names] lie."""
    n = len(values)
    if n < 2:
        return np.full((2, values.shape[1]), np.nan)
    if n >= ENOUGH:
        return np.quantile(values, [0.025, 0.975], axis=0)
    half = t_quantile(n - 1) * np.sqrt(1.0 + 1.0 / n) * values.std(axis=0, ddof=1)
    return values.mean(axis=0) + np.stack([-half, half])


def _stacked(thetas: list[Theta]) -> Theta:
    """Thetas with a leading axis [n_refits]."""
    return jax.tree.map(lambda *leaves: np.stack([np.asarray(leaf) for leaf in leaves]), *thetas)
