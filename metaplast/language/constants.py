"""A positive constant of a rule that theta may move."""

import math
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import Array

from metaplast.language.grammar import RATE_UNIT
from metaplast.signals import Theta


def start(rule: Any) -> Theta:
    """The theta at the start: a leaf log_<name> [] of 0 for every name in the rule's `own`.

    Args:
        rule: any rule.
    """
    return {f"log_{name}": jnp.zeros(()) for name in rule.own}


def value(rule: Any, theta: Theta, name: str) -> float | Array:
    """The constant as it acts: its field, times exp(5 log_<name>) where theta holds that leaf.

    Args:
        rule: any rule.
        theta: the theta of the rule.
        name: the field.
    """
    number = getattr(rule, name)
    leaf = f"log_{name}"
    if leaf not in theta:
        return number
    return number * jnp.exp(RATE_UNIT * theta[leaf])


def log_for(number: float, wanted: float) -> float:
    """The value of log_<name> that makes a constant act as another number.

    Args:
        number: the constant.
        wanted: the number that shall act.
    """
    return math.log(wanted / number) / RATE_UNIT


def log_of(rule: Any, name: str, other: Any, theta: Theta) -> float:
    """The value of log_<name> that gives a rule the number of another rule.

    Args:
        rule: the rule that holds log_<name>.
        name: the field.
        other: the other rule.
        theta: the theta of the other rule.
    """
    log_number = log_for(getattr(rule, name), getattr(other, name))
    if name not in other.own:
        return log_number
    return float(np.asarray(theta[f"log_{name}"])) + log_number


def log_to_nothing(number: float) -> float:
    """The log_<name> with which a constant vanishes beside 1.

    It then acts as a 64th of the smallest difference between 1 and a float, so that it vanishes
    even after a factor of 32.

    Args:
        number: the constant.
    """
    return log_for(number, float(jnp.finfo(jnp.result_type(float)).eps) / 64.0)
