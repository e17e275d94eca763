"""The numbers that a rule says theta moves are the numbers that act."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import jax
import numpy as np

from metaplast.connections.base import AbstractConnection
from metaplast.language import expression as _expression
from metaplast.language.account import Moved
from metaplast.reuse.ask import account_of, inside, node_of, substituted
from metaplast.reuse.formula import fields
from metaplast.reuse.node import coefficients, tree
from metaplast.rules.base import AbstractRule
from metaplast.signals import SynapseView, Theta
from metaplast.testing.base import demand, demand_close
from metaplast.testing.worlds import DT, moment, with_aggregates

N_MOMENTS = 3


class World(NamedTuple):
    """Moments of an edge, its weights and its connection."""

    views: SynapseView
    weight: Any
    connection: AbstractConnection


def check(rule: AbstractRule, theta: Theta, world: World, read: frozenset[str]) -> None:
    """A rule with the acting numbers in its fields, and theta as such a rule starts, changes
    weights alike.

    theta: every leaf moved away from where it starts, so that a number said wrongly shows.
    read: the fields of the view that the rule reads, as measured.
    """
    account = account_of(rule)
    expected = _changes(rule, theta, world)
    for leaf, together in _by_leaf({**account.moved, **rule.account().moved}).items():
        field, moved = next(iter(together.items()))
        if field == account.listed:
            other, start = _listed(rule, field, leaf, theta)
        else:
            other, start = substituted(rule, together, theta)
        actual = _changes(other, start, world)
        promise = (
            f"account: `{field}` moved by theta's `{leaf}` under the law `{moved.law}` is what acts"
        )
        demand_close(actual, expected, promise)
    for label, part in account.parts.items():
        part_rule = inside(rule, part.fields)
        part_theta = theta
        for name in part.leaves:
            part_theta = part_theta[name]
        template = jax.eval_shape(
            lambda rule=part_rule: rule.init(jax.random.key(0), world.connection)
        )
        same = jax.tree.structure(template) == jax.tree.structure(part_theta)
        demand(same, f"account: the theta of part {label!r} stands at {list(part.leaves)}")
    if rule.account().silent:
        said = fields(node_of(rule, theta))
        demand(
            said is not None and said >= read - {"key"},
            f"account: a silent rule reads {said}, not {sorted(read)}",
        )


def _by_leaf(moved: Mapping[str, Moved]) -> dict[str, dict[str, Moved]]:
    leaves: dict[str, dict[str, Moved]] = {}
    for field, pair in moved.items():
        leaves.setdefault(pair.leaf, {})[field] = pair
    return leaves


def _listed(rule: AbstractRule, field: str, leaf: str, theta: Theta) -> tuple[AbstractRule, Theta]:
    """The rule with its coefficients, or the numbers of its expression, as they act, and theta with
    that leaf at 0.
    """
    node = node_of(rule, theta)
    value: Any = tuple(coefficients(node).values())
    if field == "expression":
        value = _expression.show(tree(node))
    other: Any = replace(rule, **{field: value})  # pyright: ignore[reportArgumentType]
    n_numbers = (
        len(value) if field == "initial" else len(_expression.numbers(_expression.parse(value)))
    )
    return other, {**theta, leaf: np.zeros(n_numbers)}


def _changes(rule: AbstractRule, theta: Theta, world: World) -> np.ndarray:
    """delta_w of a few moments, the weights held: step by step, so that nothing is compiled for
    it.
    """
    connection, weight = world.connection, world.weight
    state = rule.init_state(theta, connection)
    deltas = []
    for t in range(N_MOMENTS):
        bare: Any = moment(world.views, t)
        bare = replace(bare, weight=weight, weight_initial=0.9 * weight)
        state, delta = rule.step(
            theta, state, connection, with_aggregates(connection, bare, weight), DT
        )
        deltas.append(np.asarray(delta))
    return np.stack(deltas)
