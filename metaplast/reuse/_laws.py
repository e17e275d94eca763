"""The laws by which leaves of theta move the numbers of a rule.

Each law is tried on the step of the rule.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields, replace
from itertools import combinations
from typing import Any, NamedTuple

import jax
import numpy as np

from metaplast.language.account import LAWS, Moved
from metaplast.locality.reads import measured
from metaplast.registry import BadInput
from metaplast.reuse.reference import N_STEPS, TINY, view_at
from metaplast.rules.base import AbstractRule
from metaplast.signals import SynapseView, Theta

PROBES = (0.05, -0.05, 0.6, -0.7, 2.0)
"""Amounts by which a leaf is moved."""
NUDGE = 1e-4
"""The share of a number by which it is moved to measure a slope."""
SAME = 1e-5
"""The share of the effect of a leaf by which two equal changes of weight may differ."""
ROUNDING = 1e-13
"""The share of a change of weight by which two equal changes may differ beside that."""
ALONG = 1e-3
"""The share of a slope that may be left where the slope is a sum of other slopes."""
TABLE = 16
"""The most numbers of a leaf that holds constants. A larger leaf is a table."""
DT = 1e-3
Numbers = float | tuple[float, ...]
"""A number, or a list of numbers, of a field."""


class RuleBench(NamedTuple):
    """A rule on a bench, ready to be tried.

    rule: the rule.
    views: views of a few steps.
    theta: theta at the start.
    start: {dotted name: leaf} of theta at the start.
    """

    rule: AbstractRule
    views: tuple[SynapseView, ...]
    theta: Theta
    start: dict[str, np.ndarray]


def bench(rule: AbstractRule) -> RuleBench:
    """The bench of a rule, with the signals of the reference vector."""
    channels, _ = measured(rule, TINY)
    return bench_of(rule, tuple(view_at(step, channels) for step in range(N_STEPS)))


def bench_of(rule: AbstractRule, views: tuple[SynapseView, ...]) -> RuleBench:
    """The bench of a rule, with the signals of some views."""
    theta = rule.init(jax.random.key(0), TINY)
    return RuleBench(rule, views, theta, named(theta))


def named(theta: Theta) -> dict[str, np.ndarray]:
    """{dotted name: leaf} of theta. The name of a bare array is `""`."""
    leaves = {}
    for path, leaf in jax.tree_util.tree_flatten_with_path(theta)[0]:
        leaves[".".join(map(_part, path))] = np.asarray(leaf)
    return leaves


def numbers(rule: AbstractRule) -> dict[str, Numbers]:
    """{field: value} of the fields that hold a number or a list of numbers."""
    spec: Any = rule
    values: dict[str, Numbers] = {}
    for field in fields(spec):
        value = getattr(spec, field.name)
        is_list = isinstance(value, tuple) and value and all(map(_is_number, value))
        if _is_number(value) or is_list:
            values[field.name] = value
    return values


def acting(law: str, value: Numbers, leaf: np.ndarray) -> Numbers:
    """A field as it acts, element by element.

    Args:
        law: the law by which the leaf moves the field.
        value: the value of the field.
        leaf: the leaf of theta.
    """
    acts = LAWS[law].acts
    if isinstance(value, tuple):
        pairs = zip(value, leaf.reshape(-1), strict=True)
        return tuple(acts(float(number), float(moving)) for number, moving in pairs)
    return acts(float(value), float(leaf.reshape(())))


def obeyed(bench: RuleBench, moved: Mapping[str, Moved], unseen: bool = False) -> bool:
    """Whether the fields of a rule obey a law.

    Two rules are compared at every probe. The first is the rule itself. The second has the acting
    numbers in its fields, and its leaf is the one at which a field acts as it stands. Where the law
    holds, both change weights alike.

    Args:
        bench: the rule.
        moved: {field: leaf and law}, with one leaf and one law for all fields.
        unseen: the answer where a leaf that fits changes nothing.
    """
    leaf, law = next(iter(moved.values()))
    if leaf not in bench.start or not all(_fits(bench, field, leaf) for field in moved):
        return False
    base = changes(bench, bench.start)
    compared = []
    for probe in PROBES:
        theta = dict(bench.start)
        theta[leaf] = bench.start[leaf] + spread(probe, bench.start[leaf].shape)
        values = {}
        for field, pair in moved.items():
            values[field] = acting(pair.law, numbers(bench.rule)[field], theta[leaf])
        try:
            other = _replaced(bench, values)
            neutral = LAWS[law].neutral
            if neutral is None:
                leaf_of_other = other.start[leaf]
            else:
                leaf_of_other = np.full_like(bench.start[leaf], neutral)
            expected = changes(bench, theta)
            actual = changes(other, {**theta, leaf: leaf_of_other})
        except (BadInput, ValueError, OverflowError, ZeroDivisionError):
            continue  # the field cannot have such a value
        if not (np.isfinite(expected).all() and np.isfinite(actual).all()):
            continue
        if not _same(expected, actual, base):
            return False
        compared.append(expected)
    if all(_same(change, base, base) for change in compared):
        return unseen
    # A rule that stays while the leaf moves on shows no law.
    stays = any(_same(one, other, base) for one, other in combinations(compared, 2))
    return len(compared) >= 2 and not stays


def law_of(bench: RuleBench, leaf: str, free: Iterable[str]) -> dict[str, Moved]:
    """{field: leaf and law} of the fields that a leaf moves by a known law.

    Args:
        bench: the rule.
        leaf: the dotted name of the leaf.
        free: the fields that may be moved.
    """
    names = []
    for name in free:
        if _fits(bench, name, leaf):
            names.append(name)
    if not names:
        return {}
    slope = _slope_of_leaf(bench, leaf)
    if not slope.any():
        return {}
    alone = []
    together = []
    for name in names:
        slopes = _slopes_of_field(bench, name)
        if any(_along(slope, of_field) for of_field in slopes):
            alone.append(name)
        if any(of_field.any() for of_field in slopes):
            together.append(name)
    # A field whose name is in the name of the leaf comes first.
    alone.sort(key=lambda name: not _bears_name(leaf, name))
    candidates = [[name] for name in alone]
    if 1 < len(together) <= 4:
        candidates.append(together)
    for field_names in candidates:
        for law in LAWS:
            moved = dict.fromkeys(field_names, Moved(leaf, law))
            if obeyed(bench, moved):
                return moved
    return {}


def _bears_name(leaf: str, field: str) -> bool:
    """Whether the name of a leaf is the name of a field, perhaps behind a prefix."""
    return leaf.rpartition(".")[2] in (field, f"log_{field}") or leaf.endswith(f"_{field}")


def doubtful(
    bench: RuleBench, unexplained: Iterable[str], free: Sequence[str], moved: Mapping[str, Moved]
) -> tuple[str, ...]:
    """The fields whose value may not be the number that acts, and that obey no law in `moved`.

    A field is doubtful where it only gives the start of an unexplained leaf, and where an
    unexplained leaf moves it by no known law.

    Args:
        bench: the rule.
        unexplained: the leaves that move no field by a known law.
        free: the fields that are judged.
        moved: {field: leaf and law} of the fields that obey a law.
    """
    leaves = list(unexplained)
    leaf_slopes: list[np.ndarray] = []
    if sum(bench.start[leaf].size for leaf in leaves) <= TABLE:
        for leaf in leaves:
            for slope in _slopes_of_leaf(bench, leaf):
                if slope.any():
                    leaf_slopes.append(slope)
    acting_slopes: dict[str, np.ndarray] = {}
    hidden = []
    for name in free:
        pair = _slopes_of_field(bench, name)
        if not pair:
            continue
        same_theta, new_theta = pair
        if same_theta.any():
            acting_slopes[name] = same_theta
        elif name in moved:
            acting_slopes[name] = new_theta
        elif new_theta.any():
            hidden.append(name)
    for name, slope in acting_slopes.items():
        others = []
        for label, other in acting_slopes.items():
            if label != name and other.any():
                others.append(other)
        if not leaf_slopes or not slope.any():
            continue
        if _made_of(slope, [*leaf_slopes, *others]) and not _made_of(slope, others):
            hidden.append(name)
    return tuple(sorted(hidden))


def changes(bench: RuleBench, theta: Mapping[str, np.ndarray]) -> np.ndarray:
    """delta_w of a few steps [n_steps, n_post, n_pre].

    The step runs operation by operation, so that nothing is compiled for it.

    Args:
        bench: the rule.
        theta: {dotted name: leaf}.
    """
    leaves = list(map(jax.numpy.asarray, theta.values()))
    tree = jax.tree.unflatten(jax.tree.structure(bench.theta), leaves)
    state = bench.rule.init_state(tree, TINY)
    deltas = []
    for view in bench.views:
        state, delta = bench.rule.step(tree, state, TINY, view, DT)
        deltas.append(np.asarray(delta, np.float64))
    return np.stack(deltas)


def _fits(bench: RuleBench, field: str, leaf: str) -> bool:
    """Whether a leaf has one number for each number of a field."""
    value = numbers(bench.rule).get(field)
    if value is None or leaf not in bench.start:
        return False
    return bench.start[leaf].shape == np.shape(value)


def _replaced(bench: RuleBench, values: Mapping[str, Numbers]) -> RuleBench:
    """The bench of the rule with other values of some fields."""
    rule: Any = bench.rule
    return bench_of(replace(rule, **values), bench.views)


def _slopes_of_leaf(bench: RuleBench, leaf: str) -> list[np.ndarray]:
    """The slopes of the changes of weight along each number of a leaf."""
    slopes = []
    for index in np.ndindex(bench.start[leaf].shape):
        nudge = np.zeros(bench.start[leaf].shape)
        nudge[index] = NUDGE
        slopes.append(_slope_along(bench, leaf, nudge))
    return slopes


def _slope_of_leaf(bench: RuleBench, leaf: str) -> np.ndarray:
    """The slope of the changes of weight along a leaf. Its numbers move by different amounts."""
    return _slope_along(bench, leaf, spread(NUDGE, bench.start[leaf].shape))


def _slope_along(bench: RuleBench, leaf: str, nudge: np.ndarray) -> np.ndarray:
    """The slope of the changes of weight along a nudge of a leaf."""

    def nudged(sign: float) -> np.ndarray:
        return changes(bench, {**bench.start, leaf: bench.start[leaf] + sign * nudge})

    return _slope(nudged)


def _slopes_of_field(bench: RuleBench, field: str) -> list[np.ndarray]:
    """The slopes of the changes of weight along a field.

    The first slope is with the same theta, the second with the new theta at the start of such a
    rule. A field of whole numbers is structure and has no slopes.
    """
    value = numbers(bench.rule)[field]
    elements = value if isinstance(value, tuple) else (value,)
    if all(isinstance(element, int) for element in elements):
        return []
    size = np.asarray(value, np.float64)
    nudge = NUDGE * np.maximum(np.abs(size), NUDGE) * spread(1.0, size.shape)

    def nudged(sign: float) -> RuleBench:
        there = size + sign * nudge
        if isinstance(value, tuple):
            return _replaced(bench, {field: tuple(there.tolist())})
        return _replaced(bench, {field: float(there)})

    try:
        benches = {sign: nudged(sign) for sign in (1.0, -1.0)}
        largest = np.abs(nudge).max()
        same_theta = _slope(lambda sign: changes(benches[sign], bench.start)) / largest
        new_theta = _slope(lambda sign: changes(benches[sign], benches[sign].start)) / largest
    except (BadInput, ValueError, TypeError):
        return []
    return [same_theta * NUDGE, new_theta * NUDGE]


def _slope(changes_at: Callable[[float], np.ndarray]) -> np.ndarray:
    """Half the difference of the changes at signs 1 and -1; 0 where it is rounding."""
    up = changes_at(1.0)
    down = changes_at(-1.0)
    difference = up - down
    largest = max(np.abs(up).max(), np.abs(down).max())
    if not np.isfinite(difference).all() or np.abs(difference).max() <= ROUNDING * largest:
        return np.zeros(difference.size)
    return difference.reshape(-1) / 2.0


def _along(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether two slopes are parallel and not 0."""
    return bool(one.any() and other.any()) and _made_of(one, [other])


def _made_of(slope: np.ndarray, others: list[np.ndarray]) -> bool:
    """Whether a slope is a weighted sum of others."""
    if not others:
        return False
    unit_slopes = [other / np.linalg.norm(other) for other in others]
    columns = np.stack(unit_slopes, axis=1)
    weights = np.linalg.lstsq(columns, slope, rcond=1e-6)[0]
    return bool(np.linalg.norm(columns @ weights - slope) <= ALONG * np.linalg.norm(slope))


def spread(size: float, shape: tuple[int, ...]) -> np.ndarray:
    """Different shares of a size, so that numbers that move by them are not confused.

    Args:
        size: the largest share.
        shape: the shape of the result.
    """
    count = int(np.prod(shape))
    return size * (1.0 - 0.5 * np.arange(count) / max(count, 1)).reshape(shape)


def _same(one: np.ndarray, other: np.ndarray, base: np.ndarray) -> bool:
    """Whether two changes of weight are equal, beside their distance from a third one."""
    moved = max(np.abs(one - base).max(), np.abs(other - base).max())
    largest = max(np.abs(one).max(), np.abs(other).max(), np.abs(base).max())
    return bool(np.abs(one - other).max() <= SAME * moved + ROUNDING * largest)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _part(key: Any) -> str:
    return str(getattr(key, "key", getattr(key, "idx", getattr(key, "name", key))))
