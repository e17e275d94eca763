"""A fitted rule in numbers that can be compared: what every term adds to a weight, and learnt
constants.
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
    """{name: value}: rate times coefficient of every term, and learnt positive constants such as
    time constants. Names carry their slot where there are several, edges where theta is one per
    edge, and labels under `sum`. A rate that
    multiplies terms is no number of its own: only the products can be known from data. Numbers that
    are not finite are told as they are."""
    rules = {}
    for slot in lifetime.slots:
        slot_theta = theta["rules"][slot.name]
        if slot.shared:
            rules[slot.name] = node_of(slot.rule, slot_theta)
        else:
            rules |= {
                f"{slot.name}/{edge}": node_of(slot.rule, part) for edge, part in slot_theta.items()
            }
    values = {}
    for name, rule in rules.items():
        for mark, part in walk(rule, "" if len(rules) == 1 else f"{name}: "):
            values |= _numbers(part, mark)
    return values


def _numbers(rule: Node, mark: str) -> dict[str, float]:
    """Of one rule, without those inside it."""
    products = {}
    for term, coefficient in coefficients(rule).items():
        products[f"{mark}{canonical(term)}"] = rate(rule) * coefficient
    learnt = learned(rule)
    if products:
        learnt.pop("rate", None)
    return products | {f"{mark}{name}": value for name, value in learnt.items()}


def true_numbers(lifetime: Lifetime) -> dict[str, float]:
    """`numbers` of rules that learn nothing from data: their constants are those of the spec."""
    slots = tuple(replace(slot, rule=_learning(slot.rule)) for slot in lifetime.slots)
    learning = replace(lifetime, slots=slots)
    return numbers(learning, jax.tree.map(jnp.zeros_like, learning.init(jax.random.key(0))))


def _learning(rule: Any) -> Any:
    """The rule with its constants in theta, where they can be: a theta of 0 leaves them at the
    spec's value.
    """
    return replace(rule, learn=True) if getattr(rule, "learn", None) is False else rule


def canonical(term: str) -> str:
    """One name for a product, however its factors are ordered; anything else as it stands."""
    try:
        products = parse(term, traces=True)
    except BadInput:
        return term
    if len(products) != 1 or products[0].scale != 1.0:
        return term
    factors = sorted(products[0].factors)
    return "*".join(name if power == 1 else f"{name}^{power}" for name, power in factors) or "1"


def vector(found: dict[str, float], names: list[str]) -> np.ndarray:
    return np.asarray([found.get(name, math.nan) for name in names], np.float64)
