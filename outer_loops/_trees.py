"""What a search over trees knows of theta: which of its numbers are a tree's code, which are rates,
and which members of a population do the same."""

import zlib
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.flatten_util import ravel_pytree

from metaplast.language import machine as _machine
from metaplast.language.expression import limits
from metaplast.language.grammar import RATE_UNIT
from metaplast.problem.meta_problem import MetaProblem
from metaplast.registry import BadInput
from metaplast.rules.symbolic import Symbolic
from metaplast.signals import Theta

N_PROBES, ROUNDING, LEAST = 64, 1e-3, 1e-6


class Layout(NamedTuple):
    """Where things are in the flat vector of theta.

    slot, rule: the one symbolic rule; None where there is none. code: its genes,
    with their exclusive upper `bounds`;
    own_rate, rates: its `log_rate`, and those of other rules; constants: its numbers; rest:
    all other numbers; signs: signals that are -1 or 1.
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
        return self.rule.leaves(self.rule.numbers()) if self.rule is not None else ()

    @property
    def numbers(self) -> np.ndarray:
        return np.concatenate([self.constants, self.rest])


class Facts(NamedTuple):
    """key [2]: equal for members that do the same up to the rate; form [2]:
    the key with the tree's numbers where they start; size: root mean square of f over the probes;
    n_nodes: of the tree; valid: f is finite on all probes.
    """

    key: Array
    form: Array
    size: Array
    n_nodes: Array
    valid: Array


def layout(problem: MetaProblem, theta: Theta, signs: tuple[str, ...]) -> Layout:
    """Raises: BadInput for several symbolic rules, or a searched one with a theta per edge."""
    slots = [slot for slot in problem.lifetime.slots if isinstance(slot.rule, Symbolic)]
    searched = [slot for slot in slots if slot.rule.size]  # pyright: ignore[reportAttributeAccessIssue]
    if len(searched) > 1 or any(not slot.shared for slot in searched):
        given = ", ".join(slot.name for slot in searched)
        raise BadInput(
            f"searched rules in {given}",
            "one, with one theta (shared: true)",
            "fix the other expressions",
        )
    chosen = next((slot for slot in searched or slots if slot.shared), None)
    slot, rule = (chosen.name, chosen.rule) if chosen else ("", None)
    kinds: dict[str, list[int]] = {
        name: [] for name in ("code", "own_rate", "rates", "constants", "rest")
    }
    at = 0
    for path, leaf in jax.tree_util.tree_flatten_with_path(theta)[0]:
        keys = [str(getattr(part, "key", part)) for part in path]
        kinds[_kind(keys, slot)] += range(at, at + leaf.size)
        at += leaf.size
    where = {name: np.asarray(found, np.int32) for name, found in kinds.items()}
    n_leaves = len(rule.leaves(rule.numbers())) if isinstance(rule, Symbolic) else 0
    bounds = limits(n_leaves, rule.size) if isinstance(rule, Symbolic) and rule.size else ()
    unravel = ravel_pytree(theta)[1]
    return Layout(slot, rule, np.asarray(bounds, np.float32), **where, signs=signs, unravel=unravel)  # pyright: ignore[reportArgumentType]


def _kind(keys: list[str], slot: str) -> str:
    own = slot and keys[:2] == ["rules", slot] and len(keys) == 3
    if own and keys[2] in ("code", "constants"):
        return keys[2]
    if keys[-1] == "log_rate":
        return "own_rate" if own else "rates"
    return "rest"


def facts(where: Layout, flat: Array) -> Facts:
    """Of one member [n]. Members do the same that have equal other numbers and equal outputs on
    fixed probes (standard normal signals, or their signs), scaled to a root mean square of 1 and
    rounded to ROUNDING."""
    rest, one = flat[where.rest], jnp.ones(())
    if where.rule is None:
        key = _hashed(rest)
        return Facts(key, key, one, one, jnp.ones((), bool))
    outputs, size = _outputs(where, flat)
    plain, _ = _outputs(where, flat.at[where.constants].set(0.0))
    n_nodes = _machine.n_nodes(flat[where.code], len(where.leaves)) if where.code.size else one
    key, form = (_hashed(jnp.concatenate([values, rest])) for values in (outputs, plain))
    return Facts(
        key,
        form,
        jnp.where(jnp.isfinite(size), jnp.maximum(size, LEAST), 1.0),
        n_nodes,
        jnp.isfinite(size),
    )


def _outputs(where: Layout, flat: Array) -> tuple[Array, Array]:
    """(f on the probes [N_PROBES], scaled to a root mean square of 1, and that root mean square
    []).
    """
    assert where.rule is not None
    own = where.unravel(flat)["rules"][where.slot]
    values = jnp.broadcast_to(
        where.rule.value(own, lambda name: probe(name, name in where.signs)), (N_PROBES,)
    )
    size = jnp.sqrt(jnp.mean(values**2))
    tells = jnp.isfinite(size) & (size > LEAST)
    return jnp.where(tells, values / jnp.maximum(size, LEAST), 0.0), size


def probe(name: str, is_sign: bool) -> Array:
    """What a signal is on the probes [N_PROBES]."""
    drawn = np.random.RandomState(zlib.crc32(name.encode())).normal(size=N_PROBES)
    return jnp.asarray(np.sign(drawn) if is_sign else drawn)


def _hashed(values: Array) -> Array:
    """Two sums of the rounded values modulo 2^32, with odd random weights; never (0, 0) for no
    values at all.
    """
    whole = jnp.clip(jnp.round(values / ROUNDING), -1e9, 1e9).astype(jnp.int32).astype(jnp.uint32)
    drawn = np.random.RandomState(0).randint(0, 2**32, size=(2, values.size), dtype=np.uint64)
    weights = drawn.astype(np.uint32) | np.uint32(1)
    return jnp.sum(whole[None, :] * weights, axis=1, dtype=jnp.uint32) + np.asarray(
        [1, 1], np.uint32
    )


def mutated(
    where: Layout, flat: Array, key: Array, rate: Array | float, std: Array | float
) -> Array:
    """One member [n] changed: each gene drawn anew with probability `rate`,
    which keeps every code a tree; numbers moved by std * N(0, 1), always where there is no code,
    else with probability `rate`."""
    k_which, k_gene, k_move, k_noise = jax.random.split(key, 4)
    if where.code.size:
        change = jax.random.uniform(k_which, where.code.shape) < rate
        flat = flat.at[where.code].set(jnp.where(change, genes(where, k_gene), flat[where.code]))
    if where.numbers.size:
        move = (jax.random.uniform(k_move, where.numbers.shape) < rate) | (where.code.size == 0)
        noise = std * jax.random.normal(k_noise, where.numbers.shape)
        flat = flat.at[where.numbers].add(jnp.where(move, noise, 0.0))
    return flat


def genes(where: Layout, key: Array) -> Array:
    """A random code."""
    return jnp.floor(jax.random.uniform(key, where.code.shape) * where.bounds)


def rated(where: Layout, flat: Array, size: Array, factors: np.ndarray) -> Array:
    """One member [n] under several rates [n_factors, n]: the symbolic rule's change on the probes
    has the root mean square rate * factor; other rules have factor times their own rate."""
    shifts = np.log(factors) / RATE_UNIT
    many = jnp.broadcast_to(flat, (len(factors), *flat.shape))
    own = jnp.broadcast_to(
        (jnp.asarray(shifts) - jnp.log(size) / RATE_UNIT)[:, None],
        (len(factors), where.own_rate.size),
    )
    return many.at[:, where.own_rate].set(own).at[:, where.rates].add(jnp.asarray(shifts)[:, None])


def check(problem: MetaProblem, theta: Any) -> None:
    """Raises: BadInput for a theta that cannot be searched."""
    if not jax.tree.leaves(theta):
        raise BadInput(
            "outer genetic_programming: theta", "a number to learn", "let the rule learn"
        )
    layout(problem, jax.tree.map(lambda leaf: np.zeros(leaf.shape, np.float32), theta), ())
