"""A fitted rule in numbers that can be compared: what every term adds to a weight, and learnt constants."""

import math
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from metaplast.inspection.coefficients import acting
from metaplast.lifetime import Lifetime
from metaplast.registry import BadInput
from metaplast.reuse.describe import describe_rule
from metaplast.rules._grammar import parse
from metaplast.signals import Theta


def numbers(lifetime: Lifetime, theta: Theta) -> dict[str, float]:
    """{name: value}: rate times coefficient of every term (terms of equal name in one slot are summed), and learnt
    positive constants such as time constants. Names carry their slot where there are several, edges where theta is one
    per edge. A rate that multiplies terms is no number of its own: only the products can be known from data."""
    document, tensors = describe_rule(lifetime, jax.tree.map(np.asarray, theta))
    terms, constants = acting(document, tensors)
    found: dict[str, float] = {}
    for entry, values in terms.items():
        mark = "" if len(terms) == 1 else f"{entry}: "
        rate = constants[entry].pop("rate", None)
        if rate is None:
            rate = _rate(document["slots"][entry.partition("/")[0]]["rule"])
        found |= {f"{mark}{canonical(name)}": rate * value for name, value in values.items()}
        found |= {f"{mark}{name}": value for name, value in constants[entry].items()}
    return found


def true_numbers(lifetime: Lifetime) -> dict[str, float]:
    """`numbers` of rules that learn nothing from data: their constants are those of the spec."""
    slots = tuple(replace(slot, rule=_learning(slot.rule)) for slot in lifetime.slots)
    open_ = replace(lifetime, slots=slots)
    return numbers(open_, jax.tree.map(jnp.zeros_like, open_.init(jax.random.key(0))))


def _learning(rule: Any) -> Any:
    """The rule with its constants in theta, where they can be: a theta of 0 leaves them at the spec's value."""
    return replace(rule, learn=True) if getattr(rule, "learn", None) is False else rule


def canonical(term: str) -> str:
    """One name for a product, however its factors are ordered; anything else as it stands."""
    try:
        products = parse(term)
    except BadInput:
        return term
    if len(products) != 1 or products[0].scale != 1.0:
        return term
    factors = sorted(products[0].factors)
    return "*".join(name if power == 1 else f"{name}^{power}" for name, power in factors) or "1"


def _rate(rule: dict) -> float:
    """The fixed rate of a list of terms; 1 where the terms of several rules are already scaled."""
    return float(rule["rate"]) if rule["name"] == "polynomial" else 1.0


def vector(found: dict[str, float], names: list[str]) -> np.ndarray:
    return np.asarray([found.get(name, math.nan) for name in names], np.float64)
