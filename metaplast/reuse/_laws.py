"""The law by which a leaf of theta moves a number of a rule, tried on the rule's own step."""

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

PROBES = (0.05, -0.05, 0.6, -0.7, 2.0)  # by how much a leaf is moved
NUDGE = 1e-4  # of a number, for slopes
# Two changes are the same below SAME of the effect of a leaf plus ROUNDING of the whole change.
SAME = 1e-5
ROUNDING = 1e-13
ALONG = 1e-3  # of a slope: what may be left of it where it is made of others
TABLE = 16  # a leaf of more numbers is a table, no set of constants
DT = 1e-3
Numbers = float | tuple[float, ...]


class Bench(NamedTuple):
    """A rule to be tried.

    views: its signals in a few steps
    theta: its numbers at the start
    start: the same by dotted name
    """

    rule: AbstractRule
    views: tuple[SynapseView, ...]
    theta: Theta
    start: dict[str, np.ndarray]


def bench(rule: AbstractRule) -> Bench:
    """The rule with the signals of the reference vector."""
    channels, _ = measured(rule, TINY)
    return bench_of(rule, tuple(view_at(step, channels) for step in range(N_STEPS)))


def bench_of(rule: AbstractRule, views: tuple[SynapseView, ...]) -> Bench:
    """The rule with given signals."""
    theta = rule.init(jax.random.key(0), TINY)
    return Bench(rule, views, theta, named(theta))


def named(theta: Theta) -> dict[str, np.ndarray]:
    """The leaves by dotted name; of a bare array `""`."""
    paths, _ = jax.tree_util.tree_flatten_with_path(theta)
    return {".".join(_part(key) for key in path): np.asarray(leaf) for path, leaf in paths}


def numbers(rule: AbstractRule) -> dict[str, Numbers]:
    """The fields that are a number, or a list of numbers."""
    kept: dict[str, Numbers] = {}
    for item in fields(rule):  # pyright: ignore[reportArgumentType]
        value = getattr(rule, item.name)
        if _is_number(value) or (
            isinstance(value, tuple) and value and all(map(_is_number, value))
        ):
            kept[item.name] = value
    return kept


def acting(law: str, value: Numbers, leaf: np.ndarray) -> Numbers:
    """A field as it acts, element by element."""
    if isinstance(value, tuple):
        return tuple(
            LAWS[law].acts(float(one), float(more))
            for one, more in zip(value, leaf.reshape(-1), strict=True)
        )
    return LAWS[law].acts(float(value), float(leaf.reshape(())))


def obeyed(it: Bench, moved: Mapping[str, Moved], unseen: bool = False) -> bool:
    """Whether a law holds: whether the acting numbers may stand in the fields of the rule.

    At every probe two rules are compared: the rule itself, and the rule with the acting numbers in
    its fields and with the leaf as such a rule has it. They must change weights alike.

    Args:
        it: the rule.
        moved: the fields with the law to try; one leaf for all of them.
        unseen: the answer where a leaf that fits changes nothing.
    """
    leaf = next(iter(moved.values())).leaf
    if leaf not in it.start or not all(_fits(it, field, leaf) for field in moved):
        return False
    base, compared = changes(it, it.start), []
    for probe in PROBES:
        theta = {**it.start, leaf: it.start[leaf] + spread(probe, it.start[leaf].shape)}
        values = {
            field: acting(law, numbers(it.rule)[field], theta[leaf])
            for field, (_, law) in moved.items()
        }
        try:
            other = _replaced(it, values)
            neutral = LAWS[next(iter(moved.values())).law].neutral
            back = other.start[leaf] if neutral is None else np.full_like(it.start[leaf], neutral)
            expected, actual = changes(it, theta), changes(other, {**theta, leaf: back})
        except (
            BadInput,
            ValueError,
            OverflowError,
            ZeroDivisionError,
        ):  # a value that the field cannot have
            continue
        if not (np.isfinite(expected).all() and np.isfinite(actual).all()):
            continue
        if not _same(expected, actual, base):
            return False
        compared.append(expected)
    seen = [each for each in compared if not _same(each, base, base)]
    if not seen:
        return unseen
    held = any(
        _same(one, other, base) for one, other in combinations(compared, 2)
    )  # the leaf moves on, the rule not
    return len(compared) >= 2 and not held


def found(it: Bench, leaf: str, free: Iterable[str]) -> dict[str, Moved]:
    """{field: Moved} of the fields among `free` that the leaf moves by a law; {} without a law."""
    names = [name for name in free if _fits(it, name, leaf)]
    if not names:
        return {}
    bearing = [
        name
        for name in names
        if leaf.rpartition(".")[2] in (name, f"log_{name}") or leaf.endswith(f"_{name}")
    ]
    slope = _slope_of_leaf(it, leaf)
    if not slope.any():
        return {}
    slopes = {name: _slopes_of_field(it, name) for name in names}
    alone = [name for name in names if any(_along(slope, each) for each in slopes[name])]
    sets = [[name] for name in sorted(alone, key=lambda name: name not in bearing)]
    together = [name for name in names if any(each.any() for each in slopes[name])]
    sets += [together] if 1 < len(together) <= 4 else []
    for chosen in sets:
        for law in LAWS:
            moved = {name: Moved(leaf, law) for name in chosen}
            if obeyed(it, moved):
                return moved
    return {}


def doubtful(
    it: Bench, unsaid: Iterable[str], free: Sequence[str], moved: Mapping[str, Moved]
) -> tuple[str, ...]:
    """The fields among `free` that may act neither as they stand nor as `moved` says.

    These are the fields that only say where a leaf among `unsaid` starts, and the fields that such
    a leaf moves by no known law.
    """
    unsaid = list(unsaid)
    few = sum(it.start[name].size for name in unsaid) <= TABLE
    steps = [slope for name in unsaid if few for slope in _slopes_of_leaf(it, name) if slope.any()]
    slopes = {name: _slopes_of_field(it, name) for name in free}
    acts = {}
    hidden = []
    for name, (kept, anew) in ((name, pair) for name, pair in slopes.items() if pair):
        if kept.any() or name in moved:
            acts[name] = kept if kept.any() else anew
        elif anew.any():
            hidden.append(name)
    for name, slope in acts.items():
        others = [other for label, other in acts.items() if label != name and other.any()]
        if (
            steps
            and slope.any()
            and _made_of(slope, [*steps, *others])
            and not _made_of(slope, others)
        ):
            hidden.append(name)
    return tuple(sorted(hidden))


def changes(it: Bench, theta: Mapping[str, np.ndarray]) -> np.ndarray:
    """delta_w of a few steps, operation by operation, so that nothing is compiled for it."""
    leaves = [jax.numpy.asarray(leaf) for leaf in theta.values()]
    whole = jax.tree.unflatten(jax.tree.structure(it.theta), leaves)
    state, deltas = it.rule.init_state(whole, TINY), []
    for view in it.views:
        state, delta = it.rule.step(whole, state, TINY, view, DT)
        deltas.append(np.asarray(delta, np.float64))
    return np.stack(deltas)


def _fits(it: Bench, field: str, leaf: str) -> bool:
    value = numbers(it.rule).get(field)
    if value is None or leaf not in it.start:
        return False
    return it.start[leaf].shape == ((len(value),) if isinstance(value, tuple) else ())


def _replaced(it: Bench, values: Mapping[str, Numbers]) -> Bench:
    other: Any = replace(it.rule, **values)  # pyright: ignore[reportArgumentType]
    return bench_of(other, it.views)


def _slopes_of_leaf(it: Bench, leaf: str) -> list[np.ndarray]:
    """How the changes of weight follow each number of a leaf."""
    slopes = []
    for index in np.ndindex(it.start[leaf].shape):
        nudge = np.zeros(it.start[leaf].shape)
        nudge[index] = NUDGE
        slopes.append(
            _slope(
                lambda sign, nudge=nudge: changes(
                    it, {**it.start, leaf: it.start[leaf] + sign * nudge}
                )
            )
        )
    return slopes


def _slope_of_leaf(it: Bench, leaf: str) -> np.ndarray:
    """How the changes of weight follow a leaf; all its numbers are moved, by different amounts."""
    nudge = spread(NUDGE, it.start[leaf].shape)
    return _slope(lambda sign: changes(it, {**it.start, leaf: it.start[leaf] + sign * nudge}))


def _slopes_of_field(it: Bench, field: str) -> list[np.ndarray]:
    """How the changes follow a field: while theta stays, and while theta starts anew with it.

    [] where the field is structure.
    """
    value = numbers(it.rule)[field]
    whole = isinstance(value, int) or (
        isinstance(value, tuple) and all(isinstance(one, int) for one in value)
    )
    if whole:
        return []
    size = np.asarray(value, np.float64)
    nudge = NUDGE * np.maximum(np.abs(size), NUDGE) * spread(1.0, size.shape)

    def moved(sign: float) -> Bench:
        there = size + sign * nudge
        return _replaced(
            it, {field: tuple(there.tolist()) if isinstance(value, tuple) else float(there)}
        )

    try:
        pair = {sign: moved(sign) for sign in (1.0, -1.0)}
        kept = _slope(lambda sign: changes(pair[sign], it.start)) / np.abs(nudge).max()
        anew = _slope(lambda sign: changes(pair[sign], pair[sign].start)) / np.abs(nudge).max()
    except (BadInput, ValueError, TypeError):
        return []
    return [kept * NUDGE, anew * NUDGE]


def _slope(at: Callable[[float], np.ndarray]) -> np.ndarray:
    up, down = at(1.0), at(-1.0)
    apart = up - down
    largest = max(np.abs(up).max(), np.abs(down).max())
    if not np.isfinite(apart).all() or np.abs(apart).max() <= ROUNDING * largest:
        return np.zeros(apart.size)
    return apart.reshape(-1) / 2.0


def _along(one: np.ndarray, other: np.ndarray) -> bool:
    return bool(one.any() and other.any()) and _made_of(one, [other])


def _made_of(one: np.ndarray, others: list[np.ndarray]) -> bool:
    """Whether a slope is a sum of others."""
    if not others:
        return False
    columns = np.stack([each / np.linalg.norm(each) for each in others], axis=1)
    weights = np.linalg.lstsq(columns, one, rcond=1e-6)[0]
    return bool(np.linalg.norm(columns @ weights - one) <= ALONG * np.linalg.norm(one))


def spread(size: float, shape: tuple[int, ...]) -> np.ndarray:
    """A different share of `size` for each number, so that they cannot be confused."""
    count = int(np.prod(shape))
    return size * (1.0 - 0.5 * np.arange(count) / max(count, 1)).reshape(shape)


def _same(one: np.ndarray, other: np.ndarray, base: np.ndarray) -> bool:
    """Whether two changes of weight are the same, measured by how far they are from `base`."""
    moved = max(np.abs(one - base).max(), np.abs(other - base).max())
    largest = max(np.abs(one).max(), np.abs(other).max(), np.abs(base).max())
    return bool(np.abs(one - other).max() <= SAME * moved + ROUNDING * largest)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _part(key: Any) -> str:
    return str(getattr(key, "key", getattr(key, "idx", getattr(key, "name", key))))
