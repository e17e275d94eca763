"""A positive constant of a rule that theta may move."""

from typing import Any

import jax.numpy as jnp
from jax import Array

from metaplast.rules._grammar import RATE_UNIT
from metaplast.signals import Theta


def value(rule: Any, theta: Theta, name: str) -> float | Array:
    """The rule's own number `name`, times exp(5 log_name) where theta holds that leaf."""
    number, leaf = getattr(rule, name), f"log_{name}"
    return number * jnp.exp(RATE_UNIT * theta[leaf]) if leaf in theta else number
