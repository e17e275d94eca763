"""A positive constant of a rule that theta may move."""

import math
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import Array

from metaplast.language.grammar import RATE_UNIT
from metaplast.signals import Theta


def start(rule: Any) -> Theta:
    """A leaf log_<name> [] of 0 for every name in the rule's `own`."""
    return {f"log_{name}": jnp.zeros(()) for name in rule.own}


def value(rule: Any, theta: Theta, name: str) -> float | Array:
    """The rule's own number `name`, times exp(5 log_name) where theta holds that leaf."""
    number, leaf = getattr(rule, name), f"log_{name}"
    return number * jnp.exp(RATE_UNIT * theta[leaf]) if leaf in theta else number


def log_for(number: float, wanted: float) -> float:
    """The log_name with which the constant `number` acts as `wanted`."""
    return math.log(wanted / number) / RATE_UNIT


def log_of(rule: Any, name: str, other: Any, theta: Theta) -> float:
    """The log_name with which `rule` has the number `name` that `other` has with `theta`."""
    moved = float(np.asarray(theta[f"log_{name}"])) if name in other.own else 0.0
    return moved + log_for(getattr(rule, name), getattr(other, name))


def log_to_nothing(number: float) -> float:
    """The log_name with which the constant `number` is a 64th of the smallest difference between 1
    and a float: it is lost beside 1 even after a factor of 32."""
    return log_for(number, float(jnp.finfo(jnp.result_type(float)).eps) / 64.0)
