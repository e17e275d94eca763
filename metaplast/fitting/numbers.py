"""A fitted rule in numbers that can be compared.

They are what every term adds to a weight, and learnt constants.
"""

import math
from dataclasses import replace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from metaplast.language.grammar import parse
from metaplast.life.lifetime import Lifetime
from metaplast.registry import BadInput
from metaplast.reuse.ask import node_of
from metaplast.reuse.node import Node, coefficients, learned, rate, walk
from metaplast.signals import Theta


class FittedRule(NamedTuple):
    """A fitted theta, and its mask: 1 for the numbers that it may use, else 0."""

    theta: Theta
    mask: Theta


def numbers(lifetime: Lifetime, theta: Theta) -> dict[str, float]:
    """{name: number}: rate times coefficient of every term, and learnt constants.

    Learnt constants are positive, such as time constants. A rate that multiplies terms is no number
    of its own: data tell the products alone. Numbers that are not finite stay as they are.

    Names carry their slot where there are several, edges where theta is one per edge, and labels
    under `sum`.
    """
    rules = {}
    for slot in lifetime.slots:
        slot_theta = theta["rules"][slot.name]
        if slot.shared:
            rules[slot.name] = node_of(slot.rule, slot_theta)
            continue
        for edge, part in slot_theta.items():
            rules[f"{slot.name}/{edge}"] = node_of(slot.rule, part)
    values = {}
    for name, rule in rules.items():
        prefix = "" if len(rules) == 1 else f"{name}: "
        for label, part in walk(rule, prefix):
            values |= _numbers(part, label)
    return values


def _numbers(rule: Node, label: str) -> dict[str, float]:
    """The numbers of one rule, without those of rules inside it."""
    products = {}
    for term, coefficient in coefficients(rule).items():
        products[f"{label}{canonical(term)}"] = rate(rule) * coefficient
    constants = learned(rule)
    if products:
        constants.pop("rate", None)
    return products | {f"{label}{name}": value for name, value in constants.items()}


def true_numbers(lifetime: Lifetime) -> dict[str, float]:
    """`numbers` of rules that learn nothing from data: their constants are those of the spec."""
    slots = tuple(replace(slot, rule=_learning(slot.rule)) for slot in lifetime.slots)
    learning = replace(lifetime, slots=slots)
    return numbers(learning, jax.tree.map(jnp.zeros_like, learning.init(jax.random.key(0))))


def _learning(rule: Any) -> Any:
    """The rule with its constants in theta, where it can have them there.

    A theta of 0 leaves them at the value of the spec.
    """
    return replace(rule, learn=True) if getattr(rule, "learn", None) is False else rule


def canonical(term: str) -> str:
    """One name for a product, in whatever order its factors stand; any other term as it is."""
    try:
        products = parse(term, traces=True)
    except BadInput:
        return term
    if len(products) != 1 or products[0].scale != 1.0:
        return term
    factors = []
    for name, power in sorted(products[0].factors):
        factors.append(name if power == 1 else f"{name}^{power}")
    return "*".join(factors) or "1"


def vector(values: dict[str, float], names: list[str]) -> np.ndarray:
    """The numbers of these names [n_names], NaN where one is missing."""
    return np.asarray([values.get(name, math.nan) for name in names], np.float64)
