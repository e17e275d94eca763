"""Intervals of the numbers of a fitted rule over subjects, and the numbers that data leave open."""

import math
from typing import NamedTuple

import jax
import numpy as np

from metaplast.fitting.between import between
from metaplast.fitting.data import Data
from metaplast.fitting.flat import flattened, of_rules, unflattened
from metaplast.fitting.geometry import Direction, Groups, Moves, Space, axes, echelon
from metaplast.fitting.numbers import FittedRule, numbers
from metaplast.fitting.sensitivity import Sensitivity, sensitivity
from metaplast.fitting.separation import Separation
from metaplast.life.lifetime import Lifetime
from metaplast.problem.penalised import of_terms
from metaplast.signals import Theta

# More numbers of theta get no intervals: the matrices grow with the square of their number.
MOST = 1000
SHARE = 1e-3  # of its own direction: a number is open where so much of it is flat
NEARLY = 0.75  # of the choices: separation is looked for where so many are predicted
FEW_SESSIONS = 5  # with so many sessions, intervals for one subject are over its sessions
NAMED = 0.05  # a smaller weight of a combination is not named
FAINTER = 0.1  # the factor of the fainter rule, at which separation is looked for too


class Settled(NamedTuple):
    """A combination that the data settle, of numbers that are open one by one.

    weights: {name: weight}.
    value: of the combination.
    low, high: the ends of its 95 % interval.
    """

    weights: dict[str, float]
    value: float
    low: float
    high: float


class NumberIntervals(NamedTuple):
    """The intervals of the numbers of a rule, and the numbers that data leave open.

    names: of the numbers.
    interval: {name: (low, high)}, 95 %, NaN where the data do not settle the number.
    open: combinations of numbers along which the likelihood is flat.
    settled: combinations of open numbers that the data settle.
    separated: numbers along which choices are predicted without fault, so that their likelihood
        rises without bound.
    over: the resampled things, `subjects`, `sessions` or `values`.
    n: how many of them.
    condition: of the Fisher information at unit information of every number.
    directions: the loosest first.
    moves: of theta; the wider ones count. None where a number is open.
    why: the reason why the intervals are not known, or an empty string.
    swaps: flat combinations of numbers that were kept and others that the choice of terms left out.
    alone: numbers that one subject (or session) settles by itself, so that leaving it out says
        nothing of how much subjects differ.
    """

    names: list[str]
    interval: dict[str, tuple[float, float]]
    open: list[dict[str, float]]
    settled: list[Settled]
    separated: list[str]
    over: str
    n: int
    condition: float
    directions: list[Direction]
    moves: list[Moves] | None
    why: str
    swaps: list[dict[str, float]] = []  # noqa: RUF012  (never changed)
    alone: tuple[str, ...] = ()


class NumberSlopes(NamedTuple):
    """The numbers of a rule, and how they follow theta.

    names: of the numbers [n].
    values [n].
    slopes [n, n_free]: their derivatives.
    """

    names: list[str]
    values: np.ndarray
    slopes: np.ndarray


def intervals(
    lifetime: Lifetime, data: Data, fitted: FittedRule, seed: int
) -> NumberIntervals | None:
    """Wald intervals of the numbers of a fitted rule, over subjects.

    Leaving out subject s moves theta by (F - F_s)^-1 g_s, all other numbers of theta fitted along.

    g_s: score of subject s.
    F_s: its Fisher information.
    F: sum_s F_s.

    The jackknife of these moves (the cluster-robust variance CV3; MacKinnon, Nielsen & Webb 2023)
    with Student's t of n - 1 degrees of freedom sees that subjects differ. The interval by F alone
    holds where the model is right. The wider of the two counts. It is extended to the interval of
    the mean over subjects (`between`) where they differ by more than chance.

    The intervals of one subject are over its sessions, where there are FEW_SESSIONS of them. Else
    they are by F alone, and hold for this subject only.

    Args:
        lifetime: the rule in its network and task.
        data: the sessions, of which those of training count.
        fitted: the rule and its mask.
        seed: of the lives.

    Returns: None where nothing of a rule is learned.
    """
    theta, mask = fitted
    if not jax.tree.leaves(theta["rules"]) or not numbers(lifetime, theta):
        return None
    n_free = int(sum(np.count_nonzero(leaf) for leaf in jax.tree.leaves(mask)))
    if n_free > MOST:
        return _unknown(f"{n_free} numbers are fitted along, more than {MOST}")
    train = data.sessions["train"]
    moved = sensitivity(lifetime, theta, mask, train, seed)
    if not all(np.isfinite(x).all() for x in (moved.score, moved.fisher, moved.noise)):
        return _unknown("its predictions have no finite derivative")
    sensitivities = [moved]
    if np.sum(moved.odds > 0) > NEARLY * len(moved.odds):
        sensitivities.append(sensitivity(lifetime, _fainter(theta), mask, train, seed))
    groups = _groups(data.subject["train"])
    known = _number_intervals(lifetime, theta, sensitivities, groups)
    return known._replace(swaps=_swaps(lifetime, data, fitted, set(known.names), seed))


def _swaps(
    lifetime: Lifetime, data: Data, fitted: FittedRule, kept: set[str], seed: int
) -> list[dict[str, float]]:
    """Flat combinations of kept numbers with left-out ones.

    The data do not tell which of the two the rule has.
    """
    theta, mask = fitted
    every = jax.tree.map(np.ones_like, mask)
    if all(np.all(leaf) for leaf in jax.tree.leaves(mask["rules"])) or len(flattened(theta)) > MOST:
        return []
    wider = {**mask, "rules": every["rules"]}
    moved = sensitivity(lifetime, theta, wider, data.sessions["train"], seed)
    if not np.isfinite(moved.fisher).all():
        return []
    names, _, slopes = number_slopes(lifetime, theta, moved.free)
    space = Space(moved, Groups(np.zeros(len(moved.score), int), "values"))
    scaled = slopes / space.unit
    swaps = []
    for row in echelon(_clear_parts(scaled @ space.flat, scaled).T):
        weights = _named(names, row)
        if kept & set(weights) and not set(weights) <= kept:
            swaps.append(weights)
    return swaps


def _fainter(theta: Theta) -> Theta:
    """The theta with every coefficient and first weight times FAINTER.

    Where weights end at their bounds, the bounds alone keep a likelihood from rising for ever.
    Weights that do not reach the bounds show how choices depend on the numbers.
    """

    def less(tree: Theta) -> Theta:
        return jax.tree.map(lambda leaf: FAINTER * leaf, tree)

    return {
        **theta,
        "genome": less(theta["genome"]),
        "rules": of_terms(less, lambda leaf: leaf, theta["rules"]),
    }


def _unknown(why: str) -> NumberIntervals:
    """The result where no intervals are known, for this reason."""
    return NumberIntervals([], {}, [], [], [], "values", 0, float("nan"), [], None, why)


def _groups(subject: np.ndarray) -> Groups:
    """The groups of sessions: subjects, else sessions, else none."""
    names, index = np.unique(subject, return_inverse=True)
    if len(names) > 1:
        return Groups(index, "subjects")
    if len(subject) >= FEW_SESSIONS:
        return Groups(np.arange(len(subject)), "sessions")
    return Groups(np.zeros(len(subject), int), "values")


def _number_intervals(
    lifetime: Lifetime, theta: Theta, sensitivities: list[Sensitivity], groups: Groups
) -> NumberIntervals:
    """Intervals from the sensitivity at the fitted rule, the first one.

    Where choices may be separated, a second one at a fainter rule is looked at too.
    """
    moved = sensitivities[0]
    names, value, slopes = number_slopes(lifetime, theta, moved.free)
    space = Space(moved, groups)
    scaled = slopes / space.unit
    cones = []
    for each in sensitivities:
        cones.append(Separation(each.choices / space.unit, each.odds, space.null(each.others)))
    endless = any(cone.exists for cone in cones)
    # a sure prediction holds no information: the derivatives of predictions show what is flat
    flat = space.null(moved.gram) if endless else space.flat
    away = _clear_parts(scaled @ flat, scaled)
    is_open: np.ndarray = np.any(away, axis=1)
    separated = np.zeros(len(names), bool)
    for cone, each in zip(cones, sensitivities, strict=True):
        if cone.exists:
            predicted = _predicted_part(scaled, space.null(each.gram))
            separated |= [cone.moves(row) for row in predicted]
    hidden = is_open | separated | ~scaled.any(axis=1)
    low, high = _edges(space, scaled)
    alone = space.settled_by_one(scaled) & ~hidden
    interval = {}
    for index, name in enumerate(names):
        ends = (float(value[index] + low[index]), float(value[index] + high[index]))
        interval[name] = (math.nan, math.nan) if hidden[index] else ends
    shown = []
    for name, is_hidden in zip(names, hidden, strict=True):
        if not is_hidden:
            shown.append(name)
    covariance = space.covariance(scaled[~hidden])
    settled = []
    if not endless:
        settled = _settled(NumberSlopes(names, value, scaled), space, is_open, away)
    return NumberIntervals(
        names=names,
        interval=interval,
        open=[_named(names, row) for row in echelon(away.T)],
        settled=settled,
        separated=[name for name, apart in zip(names, separated, strict=True) if apart],
        over=groups.over,
        n=space.n,
        condition=space.condition,
        directions=axes(shown, covariance, value[~hidden]),
        moves=None if hidden.any() else space.moves(theta, moved.free),
        why="",
        alone=tuple(name for name, by_one in zip(names, alone, strict=True) if by_one),
    )


def _predicted_part(rows: np.ndarray, null: np.ndarray) -> np.ndarray:
    """The part of every number that predictions depend on.

    Args:
        rows: derivatives of the numbers [n, n_free].
        null: directions along which predictions stay the same [n_free, n_null].
    """
    return _clear_parts(rows - rows @ null @ null.T, rows)


def _clear_parts(parts: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """The parts [n, m] of rows [n, k], with 0 for a part of at most SHARE of its row."""
    is_clear = np.linalg.norm(parts, axis=1) > SHARE * np.linalg.norm(rows, axis=1)
    return np.where(is_clear[:, None], parts, 0.0)


class _Edges(NamedTuple):
    """The ends of intervals [n], as distances from the fitted numbers."""

    low: np.ndarray
    high: np.ndarray


def _edges(space: Space, rows: np.ndarray) -> _Edges:
    """The edges of numbers with these derivatives [n, n_free]."""
    half = space.half(rows)
    alone = space.each(rows)
    means = []
    for moves, variances in zip(alone.moves.T, alone.variances.T, strict=True):
        means.append(between(moves, variances))
    middle, wide = np.asarray(means).T
    return _Edges(np.fmin(-half, middle - wide), np.fmax(half, middle + wide))


def _named(names: list[str], row: np.ndarray) -> dict[str, float]:
    """{name: weight} of a combination, the largest first."""
    weights = {}
    for index in np.argsort(-np.abs(row), kind="stable"):
        if abs(row[index]) >= NAMED:
            weights[names[index]] = float(row[index])
    return weights


def _settled(
    scaled: NumberSlopes, space: Space, is_open: np.ndarray, away: np.ndarray
) -> list[Settled]:
    """Combinations of open numbers that no flat direction moves.

    Args:
        scaled: the numbers, with slopes in the units of the space.
        space: of theta.
        is_open: marks of the open numbers [n].
        away: their parts along flat directions [n, n_flat].
    """
    at = np.flatnonzero(is_open)
    if not len(at):
        return []
    left, sizes, _ = np.linalg.svd(away[is_open])
    rank = int((sizes > 1e-6 * sizes[0]).sum())
    settled = []
    for row in echelon(left[:, rank:].T):
        weights = np.zeros(len(scaled.names))
        weights[at] = row / np.abs(row).max()
        value = float(weights @ scaled.values)
        edges = _edges(space, (weights @ scaled.slopes)[None])
        combination = Settled(
            weights=_named(scaled.names, weights),
            value=value,
            low=value + float(edges.low[0]),
            high=value + float(edges.high[0]),
        )
        settled.append(combination)
    return settled


def number_slopes(lifetime: Lifetime, theta: Theta, free: np.ndarray) -> NumberSlopes:
    """`numbers` and their derivatives in theta, without the numbers that are held at 0.

    Derivatives are central differences, for numbers are few and computed in plain Python.

    Args:
        lifetime, theta: the fitted rule.
        free: places [n_free] of the free numbers in the flat theta.
    """
    flat = flattened(theta)
    value = numbers(lifetime, unflattened(theta, flat))
    slopes = np.zeros((len(value), len(free)))
    rules = of_rules(theta)
    for column, place in enumerate(free):
        if not rules[place]:
            continue
        step = np.zeros(len(flat))
        step[place] = 1e-5 * max(1.0, abs(flat[place]))
        up = np.asarray(list(numbers(lifetime, unflattened(theta, flat + step)).values()))
        down = np.asarray(list(numbers(lifetime, unflattened(theta, flat - step)).values()))
        slopes[:, column] = (up - down) / (2.0 * step[place])
    kept = np.any(slopes != 0, axis=1)
    names = []
    for name, keep in zip(value, kept, strict=True):
        if keep:
            names.append(name)
    return NumberSlopes(names, np.asarray(list(value.values()))[kept], slopes[kept])
