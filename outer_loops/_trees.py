"""The tree code in the flat vector of theta: its genes, its numbers, its rates, its twins."""

import zlib
from collections.abc import Callable
from typing import Any, NamedTuple, cast

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.flatten_util import ravel_pytree

from metaplast.language import machine as _machine
from metaplast.language.expression import limits
from metaplast.language.grammar import RATE_UNIT
from metaplast.problem.protocol import Problem
from metaplast.registry import BadInput
from metaplast.rules.symbolic import Symbolic
from metaplast.signals import Theta
from outer_loops import _edits

N_PROBES = 64
"""Fixed values of every signal, on which trees are compared."""

ROUNDING = 1e-3
"""Outputs on the probes that round to the same multiple of this are equal."""

LEAST = 1e-6
"""A tree whose root mean square on the probes is not above this is 0."""


class Places(NamedTuple):
    """The places of numbers in the flat vector of theta, each an array of indices.

    slot: the name of the slot of the one symbolic rule; "" where there is none
    rule: this rule; None where there is none
    bounds: the exclusive upper bounds of the genes, as many as `code`
    code: the genes of the tree
    own_rate: the `log_rate` of the symbolic rule
    rates: the `log_rate` of other rules
    constants: the numbers of the tree
    rest: all other numbers
    signs: the signals that are -1 or 1 at events, and 0 at other times
    unravel: flat vector [n] -> theta
    """

    slot: str
    rule: Symbolic | None
    bounds: np.ndarray
    code: np.ndarray
    own_rate: np.ndarray
    rates: np.ndarray
    constants: np.ndarray
    rest: np.ndarray
    signs: tuple[str, ...]
    unravel: Callable[[Array], Theta]

    @property
    def leaves(self) -> tuple:
        """The leaves that a searched tree may have; () without a symbolic rule."""
        return self.rule.leaves(self.rule.numbers()) if self.rule is not None else ()

    @property
    def numbers(self) -> np.ndarray:
        """The places of all numbers that are neither genes nor rates."""
        return np.concatenate([self.constants, self.rest])


class TreeFacts(NamedTuple):
    """The facts of one member.

    key [2]: equal for members that do the same up to the rate
    form [2]: the key of the member with the tree's numbers where they start
    size []: the root mean square of the tree's function over the probes
    n_nodes []: the nodes of the tree
    valid []: whether the function is finite on all probes, and on those where every sign is 0
    """

    key: Array
    form: Array
    size: Array
    n_nodes: Array
    valid: Array


def places(problem: Problem, theta: Theta, signs: tuple[str, ...]) -> Places:
    """The places of numbers in the flat vector of theta.

    Args:
        problem: the problem, with its slots.
        theta: a theta; its shapes matter.
        signs: the signals that are -1 or 1 at events, and 0 at other times.

    Raises:
        BadInput: several searched rules, or a searched rule with a theta per edge.
    """
    slot, rule = _symbolic_slot(problem)
    kinds: dict[str, list[int]] = {
        name: [] for name in ("code", "own_rate", "rates", "constants", "rest")
    }
    position = 0
    for path, leaf in jax.tree_util.tree_flatten_with_path(theta)[0]:
        keys = [str(getattr(part, "key", part)) for part in path]
        kinds[_kind(keys, slot)] += range(position, position + leaf.size)
        position += leaf.size
    indices = {name: np.asarray(numbers, np.int32) for name, numbers in kinds.items()}
    bounds = ()
    if rule is not None and rule.size:
        bounds = limits(len(rule.leaves(rule.numbers())), rule.size)
    return Places(
        slot=slot,
        rule=rule,
        bounds=np.asarray(bounds, np.float32),
        code=indices["code"],
        own_rate=indices["own_rate"],
        rates=indices["rates"],
        constants=indices["constants"],
        rest=indices["rest"],
        signs=signs,
        unravel=ravel_pytree(theta)[1],
    )


def _symbolic_slot(problem: Problem) -> tuple[str, Symbolic | None]:
    """The name and the rule of the one symbolic slot; ("", None) where there is none."""
    symbolic = [slot for slot in problem.lifetime.slots if isinstance(slot.rule, Symbolic)]
    searched = [slot for slot in symbolic if cast(Symbolic, slot.rule).size]
    if len(searched) > 1 or any(not slot.shared for slot in searched):
        raise BadInput(
            f"searched rules in {', '.join(slot.name for slot in searched)}",
            "one, with one theta (shared: true)",
            "fix the other expressions",
        )
    for slot in searched or symbolic:
        if slot.shared:
            return slot.name, cast(Symbolic, slot.rule)
    return "", None


def _kind(keys: list[str], slot: str) -> str:
    """The field of `Places` for a leaf of theta with this path."""
    is_of_rule = slot and keys[:2] == ["rules", slot] and len(keys) == 3
    if is_of_rule and keys[2] in ("code", "constants"):
        return keys[2]
    if keys[-1] == "log_rate":
        return "own_rate" if is_of_rule else "rates"
    return "rest"


def facts(where: Places, flat: Array) -> TreeFacts:
    """The facts of one member [n].

    Members do the same that have equal other numbers and equal outputs on fixed probes. Probes are
    standard normal signals, or their signs. Outputs are scaled to a root mean square of 1 and
    rounded to ROUNDING. A sign is 0 between events: e/s does the same as e*s on the probes, and is
    not finite in a life.
    """
    rest = flat[where.rest]
    one = jnp.ones(())
    if where.rule is None:
        key = _hashed(rest)
        return TreeFacts(key=key, form=key, size=one, n_nodes=one, valid=jnp.ones((), bool))
    outputs, size = _outputs(where, flat)
    _, size_between_events = _outputs(where, flat, sign=0.0)
    outputs_at_start, _ = _outputs(where, flat.at[where.constants].set(0.0))
    n_nodes = _machine.n_nodes(flat[where.code], len(where.leaves)) if where.code.size else one
    valid = jnp.isfinite(size) & jnp.isfinite(size_between_events)
    return TreeFacts(
        key=_hashed(jnp.concatenate([outputs, rest])),
        form=_hashed(jnp.concatenate([outputs_at_start, rest])),
        size=jnp.where(valid, jnp.maximum(size, LEAST), 1.0),
        n_nodes=n_nodes,
        valid=valid,
    )


def _outputs(where: Places, flat: Array, sign: float = 1.0) -> tuple[Array, Array]:
    """The tree's function on the probes [N_PROBES], scaled, and its root mean square [] before.

    Args:
        where: the places of the numbers.
        flat: the member [n].
        sign: the size of the signals that are signs.
    """
    assert where.rule is not None
    theta = where.unravel(flat)["rules"][where.slot]

    def signal(name: str) -> Array:
        if name in where.signs:
            return sign * probe(name, is_sign=True)
        return probe(name, is_sign=False)

    values = where.rule.value(theta, signal)
    values = jnp.broadcast_to(values, (N_PROBES,))
    size = jnp.sqrt(jnp.mean(values**2))
    has_size = jnp.isfinite(size) & (size > LEAST)
    return jnp.where(has_size, values / jnp.maximum(size, LEAST), 0.0), size


def probe(name: str, is_sign: bool) -> Array:
    """The values of a signal on the probes [N_PROBES].

    Args:
        name: the signal; it seeds the values.
        is_sign: whether it is -1 or 1.
    """
    drawn = np.random.RandomState(zlib.crc32(name.encode())).normal(size=N_PROBES)
    return jnp.asarray(np.sign(drawn) if is_sign else drawn)


def _hashed(values: Array) -> Array:
    """Two sums of the rounded values modulo 2^32, with odd random weights [2].

    They are never (0, 0) for no values at all.
    """
    whole = jnp.clip(jnp.round(values / ROUNDING), -1e9, 1e9).astype(jnp.int32).astype(jnp.uint32)
    drawn = np.random.RandomState(0).randint(0, 2**32, size=(2, values.size), dtype=np.uint64)
    weights = drawn.astype(np.uint32) | np.uint32(1)
    sums = jnp.sum(whole[None, :] * weights, axis=1, dtype=jnp.uint32)
    return sums + np.asarray([1, 1], np.uint32)


def mutated(
    where: Places,
    flat: Array,
    key: Array,
    rate: Array | float,
    std: Array | float,
    edits: Array | float = 0.0,
) -> Array:
    """One member [n], changed.

    Args:
        where: the places of the genes and numbers.
        flat: the member [n].
        key: the randomness of the change.
        rate: the probability that a gene is drawn anew, which keeps every code a tree, and that a
            number moves. Where there is no code, numbers always move.
        std: numbers move by std * N(0, 1).
        edits: the probability that the tree grows or shrinks (`_edits`) in place of new genes.
    """
    k_which, k_gene, k_edit, k_move, k_noise = jax.random.split(key, 5)
    if where.code.size:
        code = flat[where.code]
        drawn = genes(where, k_gene)
        change = jax.random.uniform(k_which, where.code.shape) < rate
        flat = flat.at[where.code].set(_edited(where, code, drawn, k_edit, edits, change))
    if where.numbers.size:
        move = (jax.random.uniform(k_move, where.numbers.shape) < rate) | (where.code.size == 0)
        noise = std * jax.random.normal(k_noise, where.numbers.shape)
        flat = flat.at[where.numbers].add(jnp.where(move, noise, 0.0))
    return flat


def _edited(
    where: Places, code: Array, drawn: Array, key: Array, edits: Array | float, change: Array
) -> Array:
    """The code with some genes drawn anew, or, with probability `edits`, grown or shrunk."""
    n_leaves = len(where.leaves)
    k_which, k_edit = jax.random.split(key)
    which = jax.random.uniform(k_which)
    edited = jnp.where(
        which < 0.5 * edits,
        _edits.shrunk(code, n_leaves, k_edit),
        _edits.grown(code, drawn, n_leaves, k_edit),
    )
    return jnp.where(which < edits, edited, jnp.where(change, drawn, code))


def genes(where: Places, key: Array) -> Array:
    """A random code, as many genes as `where.code`."""
    return jnp.floor(jax.random.uniform(key, where.code.shape) * where.bounds)


def rated(where: Places, flat: Array, size: Array, factors: Array) -> Array:
    """One member under several rates [n_factors, n].

    The symbolic rule's change on the probes has the root mean square rate * factor. Other rules
    have factor times their own rate.

    Args:
        where: the places of the rates.
        flat: the member [n].
        size: the root mean square of the tree's function on the probes [].
        factors: [n_factors].
    """
    shifts = jnp.log(factors) / RATE_UNIT
    many = jnp.broadcast_to(flat, (len(factors), *flat.shape))
    own_shifts = (shifts - jnp.log(size) / RATE_UNIT)[:, None]
    own_rates = jnp.broadcast_to(own_shifts, (len(factors), where.own_rate.size))
    many = many.at[:, where.own_rate].set(own_rates)
    return many.at[:, where.rates].add(shifts[:, None])


def check(problem: Problem, theta: Any) -> None:
    """Refuse a theta that cannot be searched. Raises: BadInput."""
    if not jax.tree.leaves(theta):
        raise BadInput(
            "outer genetic_programming: theta", "a number to learn", "let the rule learn"
        )
    places(problem, jax.tree.map(lambda leaf: np.zeros(leaf.shape, np.float32), theta), ())
