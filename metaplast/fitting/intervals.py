"""How well data fix the numbers of a fitted rule: intervals over subjects, and what no data of this
kind can settle.
"""

import math
from typing import NamedTuple

import jax
import numpy as np

from metaplast.fitting.between import between
from metaplast.fitting.data import Data
from metaplast.fitting.flat import flattened, of_rules, unflattened
from metaplast.fitting.geometry import Direction, Moves, Space, axes, echelon
from metaplast.fitting.numbers import FittedRule, numbers
from metaplast.fitting.sensitivity import Sensitivity, sensitivity
from metaplast.fitting.separation import Separation
from metaplast.life.lifetime import Lifetime
from metaplast.problem.penalised import of_terms
from metaplast.signals import Theta

MOST = 1000  # numbers fitted, initial weights among them, beyond which nothing is said: the matrices grow with its square
SHARE = 1e-3  # a number is open where so much of its own direction is
NEARLY = 0.75  # of the choices: only where so many are predicted can all of them be
FEW_SESSIONS = 5  # so many sessions of one subject stand for others of its own


class Settled(NamedTuple):
    """A combination of numbers that are open one by one, and what the data say of it."""

    weights: dict[str, float]
    value: float
    low: float
    high: float


class NumberIntervals(NamedTuple):
    """interval: name -> (low, high), 95 %, NaN where the data do not settle the number; open:
    combinations of numbers along which the likelihood is flat; settled: what remains known of them;
    separated: names of the numbers along which choices are predicted without fault, so that their
    likelihood rises without bound; over: what was resampled, `subjects`, `sessions` or `values`,
    and n of them; condition: of the Fisher information at unit information of every number;
    directions: the loosest first;
    spread: pairs (t, moves) of t quantiles and moves of theta by one standard deviation, along all
    axes of the covariance of the rule's numbers, of which the wider counts; None where something is
    open; why: what kept the intervals from being known, if anything did;
    swaps: flat combinations of numbers that were kept and others that the choice of terms left
    out."""

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


def intervals(
    lifetime: Lifetime, data: Data, fitted: FittedRule, seed: int
) -> NumberIntervals | None:
    """Wald intervals of the numbers of a fitted rule, over subjects; None where nothing of a rule
    is learned.

    fitted: (theta, mask). With the score g_s and Fisher information F_s of subject s and F = sum
    F_s, all other numbers of theta fitted along, leaving out s moves theta by (F - F_s)^-1 g_s; the
    jackknife of these moves (the cluster-robust variance CV3; MacKinnon, Nielsen & Webb 2023) with
    Student's t of n - 1 degrees of freedom sees that subjects differ. The interval is the wider of
    that and the one of F alone, that holds where the model is right, and it takes in that of the
    mean over subjects (`between`) where they differ by more than chance.
    One subject: over its sessions, where there are five; else F alone speaks, of this subject only.
    """
    theta, mask = fitted
    if not jax.tree.leaves(theta["rules"]) or not numbers(lifetime, theta):
        return None
    n_free = int(sum(np.count_nonzero(leaf) for leaf in jax.tree.leaves(mask)))
    if n_free > MOST:
        return _unknown(f"{n_free} numbers are fitted along, more than {MOST}")
    moved = sensitivity(lifetime, theta, mask, data.sessions["train"], seed)
    if not all(np.isfinite(x).all() for x in (moved.score, moved.fisher, moved.noise)):
        return _unknown("its predictions have no finite derivative")
    seen = [moved]
    if np.sum(moved.odds > 0) > NEARLY * len(moved.odds):
        seen.append(sensitivity(lifetime, _fainter(theta), mask, data.sessions["train"], seed))
    known = _known(lifetime, theta, seen, _groups(data.subject["train"]))
    return known._replace(swaps=_swaps(lifetime, data, fitted, set(known.names), seed))


def _swaps(
    lifetime: Lifetime, data: Data, fitted: FittedRule, kept: set[str], seed: int
) -> list[dict[str, float]]:
    """Flat combinations of numbers that were kept and others that were left out: data do not say
    which it is.
    """
    theta, mask = fitted
    every = jax.tree.map(np.ones_like, mask)
    if all(np.all(leaf) for leaf in jax.tree.leaves(mask["rules"])) or len(flattened(theta)) > MOST:
        return []
    moved = sensitivity(
        lifetime, theta, {**mask, "rules": every["rules"]}, data.sessions["train"], seed
    )
    if not np.isfinite(moved.fisher).all():
        return []
    names, _, slopes = number_slopes(lifetime, theta, moved.free)
    space = Space(moved, np.zeros(len(moved.score), int), "values")
    scaled = slopes / space.unit
    away = scaled @ space.flat
    away[np.linalg.norm(away, axis=1) <= SHARE * np.linalg.norm(scaled, axis=1)] = 0.0
    found = [_named(names, row) for row in echelon(away.T)]
    return [weights for weights in found if kept & set(weights) and not set(weights) <= kept]


def _fainter(theta: Theta) -> Theta:
    """A tenth of every coefficient and first weight: where weights end at their bounds, these alone
    keep a likelihood from rising for ever, and what choices say of the numbers is seen at weights
    that do not."""
    less = lambda tree: jax.tree.map(lambda leaf: 0.1 * leaf, tree)
    return {
        **theta,
        "genome": less(theta["genome"]),
        "rules": of_terms(less, lambda leaf: leaf, theta["rules"]),
    }


def _unknown(why: str) -> NumberIntervals:
    return NumberIntervals([], {}, [], [], [], "values", 0, float("nan"), [], None, why)


def _groups(subject: np.ndarray) -> tuple[np.ndarray, str]:
    """(the group of every session, what groups are)."""
    names, index = np.unique(subject, return_inverse=True)
    if len(names) > 1:
        return index, "subjects"
    if len(subject) >= FEW_SESSIONS:
        return np.arange(len(subject)), "sessions"
    return np.zeros(len(subject), int), "values"


def _known(
    lifetime: Lifetime, theta: Theta, seen: list[Sensitivity], grouped: tuple[np.ndarray, str]
) -> NumberIntervals:
    """seen: at the fitted rule, and where choices may be separated, at a fainter one."""
    moved = seen[0]
    names, value, slopes = number_slopes(lifetime, theta, moved.free)
    space = Space(moved, *grouped)
    scaled = slopes / space.unit
    size = np.linalg.norm(scaled, axis=1)
    cones = [Separation(s.choices / space.unit, s.odds, space.null(s.others)) for s in seen]
    endless = any(cone.exists for cone in cones)
    away = scaled @ (
        space.null(moved.gram) if endless else space.flat
    )  # a sure prediction holds no information
    is_open = np.linalg.norm(away, axis=1) > SHARE * size
    away[~is_open] = 0.0
    separated = [any(cone.exists and cone.moves(row) for cone in cones) for row in scaled]
    low, high = _edges(space, scaled)
    hidden = is_open | separated | (size == 0)
    interval = {
        name: (math.nan, math.nan)
        if hidden[i]
        else (float(value[i] + low[i]), float(value[i] + high[i]))
        for i, name in enumerate(names)
    }
    covariance = space.covariance(scaled[~hidden])
    return NumberIntervals(
        names=names,
        interval=interval,
        open=[_named(names, row) for row in echelon(away.T)],
        settled=[] if endless else _settled(names, value, space, scaled, (is_open, away)),
        separated=[name for name, it in zip(names, separated, strict=True) if it],
        over=grouped[1],
        n=space.n,
        condition=space.condition,
        directions=axes(
            [n for n, h in zip(names, hidden, strict=True) if not h], covariance, value[~hidden]
        ),
        moves=None if hidden.any() else space.moves(theta, moved.free),
        why="",
    )


def _edges(space: Space, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How far below and above the fitted numbers their intervals end."""
    half = space.half(rows)
    middle, wide = np.asarray(
        [between(*one) for one in zip(*(x.T for x in space.each(rows)), strict=True)]
    ).T
    return np.fmin(-half, middle - wide), np.fmax(half, middle + wide)


def _named(names: list[str], row: np.ndarray) -> dict[str, float]:
    return {
        names[i]: float(row[i])
        for i in np.argsort(-np.abs(row), kind="stable")
        if abs(row[i]) >= 0.05
    }


def _settled(
    names: list[str],
    value: np.ndarray,
    space: Space,
    scaled: np.ndarray,
    opened: tuple[np.ndarray, np.ndarray],
) -> list[Settled]:
    """Combinations of open numbers that no flat direction moves."""
    at, away = np.flatnonzero(opened[0]), opened[1][opened[0]]
    if not len(at):
        return []
    left, sizes, _ = np.linalg.svd(away)
    rank = int((sizes > 1e-6 * sizes[0]).sum())
    told = []
    for row in echelon(left[:, rank:].T):
        row = row / np.abs(row).max()
        weights = np.zeros(len(names))
        weights[at] = row
        middle, ends = float(weights @ value), _edges(space, (weights @ scaled)[None])
        told.append(
            Settled(
                _named(names, weights),
                middle,
                middle + float(ends[0][0]),
                middle + float(ends[1][0]),
            )
        )
    return told


def number_slopes(
    lifetime: Lifetime, theta: Theta, free: np.ndarray
) -> tuple[list[str], np.ndarray, np.ndarray]:
    """(names, values [n], derivatives [n, n_free]) of `numbers`, without those that are held at 0;
    by central differences, for numbers are few and told in plain Python."""
    flat = flattened(theta)
    value = numbers(lifetime, unflattened(theta, flat))
    slopes = np.zeros((len(value), len(free)))
    rules = of_rules(theta)
    for column, place in enumerate(free):
        if not rules[place]:
            continue
        step = np.zeros(len(flat))
        step[place] = 1e-5 * max(1.0, abs(flat[place]))
        up = numbers(lifetime, unflattened(theta, flat + step))
        down = numbers(lifetime, unflattened(theta, flat - step))
        slopes[:, column] = (np.asarray(list(up.values())) - np.asarray(list(down.values()))) / (
            2.0 * step[place]
        )
    kept = np.any(slopes != 0, axis=1)
    names = [name for name, keep in zip(value, kept, strict=True) if keep]
    return names, np.asarray(list(value.values()))[kept], slopes[kept]
