"""The promise of a rule's account: the numbers that theta moves are the numbers that act."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import jax
import numpy as np

from metaplast.connections.base import AbstractConnection
from metaplast.language import expression as _expression
from metaplast.language.account import Account, Moved
from metaplast.reuse.ask import account_of, inside, node_of, substituted
from metaplast.reuse.formula import fields
from metaplast.reuse.node import coefficients, tree
from metaplast.rules.base import AbstractRule
from metaplast.signals import SynapseView, Theta
from metaplast.testing.base import demand, demand_close
from metaplast.testing.worlds import DT, moment, with_aggregates

N_MOMENTS = 3


class Surroundings(NamedTuple):
    """The surroundings of a rule.

    views: moments of an edge, stacked
    weight: its weights, in the layout of the connection
    connection: its connection
    """

    views: SynapseView
    weight: Any
    connection: AbstractConnection


def check(rule: AbstractRule, theta: Theta, around: Surroundings, read: frozenset[str]) -> None:
    """Check that a rule with the acting numbers in its fields changes weights alike.

    theta of that rule is as it starts.

    Args:
        rule: the rule.
        theta: every leaf moved away from where it starts, so that a wrong number shows.
        around: the surroundings of the rule.
        read: the fields of the view that the rule reads, as measured.
    """
    account = account_of(rule)
    _check_moved(rule, account, theta, around)
    _check_parts(rule, account, theta, around)
    if rule.account().silent:
        declared = fields(node_of(rule, theta))
        demand(
            declared is not None and declared >= read - {"key"},
            f"account: a silent rule reads {declared}, not {sorted(read)}",
        )


def _check_moved(rule: AbstractRule, account: Account, theta: Theta, around: Surroundings) -> None:
    """Check that a field with its acting numbers replaces the leaf of theta that moves it."""
    expected = _changes(rule, theta, around)
    for leaf, moved_of_field in _by_leaf({**account.moved, **rule.account().moved}).items():
        field, moved = next(iter(moved_of_field.items()))
        if field == account.listed:
            other, start = _listed(rule, field, leaf, theta)
        else:
            other, start = substituted(rule, moved_of_field, theta)
        actual = _changes(other, start, around)
        promise = f"account: `{field}` moved by theta's `{leaf}` under the law `{moved.law}` acts"
        demand_close(actual, expected, promise)


def _check_parts(rule: AbstractRule, account: Account, theta: Theta, around: Surroundings) -> None:
    """Check that the theta of every part stands at its leaves."""
    for label, part in account.parts.items():
        part_rule = inside(rule, part.fields)
        part_theta = theta
        for name in part.leaves:
            part_theta = part_theta[name]
        template = jax.eval_shape(
            lambda rule=part_rule: rule.init(jax.random.key(0), around.connection)
        )
        same = jax.tree.structure(template) == jax.tree.structure(part_theta)
        demand(same, f"account: the theta of part {label!r} stands at {list(part.leaves)}")


def _by_leaf(moved: Mapping[str, Moved]) -> dict[str, dict[str, Moved]]:
    """{leaf of theta: {field: how it is moved}}."""
    leaves: dict[str, dict[str, Moved]] = {}
    for field, pair in moved.items():
        leaves.setdefault(pair.leaf, {})[field] = pair
    return leaves


def _listed(rule: AbstractRule, field: str, leaf: str, theta: Theta) -> tuple[AbstractRule, Theta]:
    """The rule with its listed numbers as they act, and theta with that leaf at 0.

    Listed numbers are coefficients, or the numbers of an expression.
    """
    node = node_of(rule, theta)
    value: Any = tuple(coefficients(node).values())
    if field == "expression":
        value = _expression.show(tree(node))
    spec: Any = rule
    other = replace(spec, **{field: value})
    if field == "initial":
        n_numbers = len(value)
    else:
        n_numbers = len(_expression.numbers(_expression.parse(value)))
    return other, {**theta, leaf: np.zeros(n_numbers)}


def _changes(rule: AbstractRule, theta: Theta, around: Surroundings) -> np.ndarray:
    """delta_w of a few moments under the same weights, step by step: nothing is compiled for it."""
    connection = around.connection
    weight = around.weight
    state = rule.init_state(theta, connection)
    deltas = []
    for t in range(N_MOMENTS):
        bare: Any = moment(around.views, t)
        bare = replace(bare, weight=weight, weight_initial=0.9 * weight)
        state, delta = rule.step(
            theta, state, connection, with_aggregates(connection, bare, weight), DT
        )
        deltas.append(np.asarray(delta))
    return np.stack(deltas)
