"""A fitted rule in numbers that can be compared: what every term adds to a weight, and learnt constants."""

import math
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from metaplast.lifetime import Lifetime
from metaplast.registry import BadInput
from metaplast.reuse._document import TERM_LISTS, children, own_leaves
from metaplast.reuse.formula import rule_terms
from metaplast.reuse.rule_file import flatten, subtree
from metaplast.rules._grammar import RATE_UNIT, parse
from metaplast.signals import Theta
from metaplast.spec import encode


def numbers(lifetime: Lifetime, theta: Theta) -> dict[str, float]:
    """{name: value}: rate times coefficient of every term, and learnt positive constants such as time constants. Names
    carry their slot where there are several, edges where theta is one per edge, and labels under `sum`. A rate that
    multiplies terms is no number of its own: only the products can be known from data. Numbers that are not finite are
    told as they are."""
    parts = {}
    for slot in lifetime.slots:
        own = jax.tree.map(np.asarray, theta["rules"][slot.name])
        named = {slot.name: own} if slot.shared else {f"{slot.name}/{edge}": part for edge, part in own.items()}
        parts |= {name: (encode(slot.rule), subtree("it", flatten("it", part))) for name, part in named.items()}
    found = {}
    for name, (rule, part) in parts.items():
        found |= _numbers(rule, part, "" if len(parts) == 1 else f"{name}: ")
    return found


def _numbers(rule: dict[str, Any], theta: Any, mark: str) -> dict[str, float]:
    """Of one rule, through wrappers."""
    theta = theta if isinstance(theta, dict) else {}
    own = {name.removeprefix("log_"): leaf for name, leaf in own_leaves(rule, theta).items() if leaf.size == 1}
    found = {}
    if rule["name"] in TERM_LISTS:
        log_rate = own.pop("rate", None)
        rate = rule["rate"] if log_rate is None else _grown(rule["rate"], log_rate)
        found = {f"{mark}{canonical(name)}": float(rate * c) for name, c in rule_terms(rule, theta).items()}
    found |= {f"{mark}{name}": _grown(rule[name], leaf) for name, leaf in own.items()}
    inner = list(children(rule, theta))
    for label, child, child_theta in inner:
        found |= _numbers(child, child_theta, mark if len(inner) == 1 else f"{mark}{label}: ")
    return found


def true_numbers(lifetime: Lifetime) -> dict[str, float]:
    """`numbers` of rules that learn nothing from data: their constants are those of the spec."""
    slots = tuple(replace(slot, rule=_learning(slot.rule)) for slot in lifetime.slots)
    learning = replace(lifetime, slots=slots)
    return numbers(learning, jax.tree.map(jnp.zeros_like, learning.init(jax.random.key(0))))


def _learning(rule: Any) -> Any:
    """The rule with its constants in theta, where they can be: a theta of 0 leaves them at the spec's value."""
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


def _grown(value: float, log: np.ndarray) -> float:
    """value exp(5 log)."""
    exponent = RATE_UNIT * float(log.reshape(-1)[0])
    return float(value) * (math.exp(exponent) if exponent < 700 else math.inf)


def vector(found: dict[str, float], names: list[str]) -> np.ndarray:
    return np.asarray([found.get(name, math.nan) for name in names], np.float64)
