"""Spike traces on neurons, and what a spike sees of a trace that jumps in the same step."""

from typing import Literal

import jax.numpy as jnp
from jax import Array

Order = Literal["before", "after", "none"]


def faded(trace: Array, tau: float | Array, dt: float) -> Array:
    """The trace `dt` seconds later, exactly: an Euler step would be 2.6 % off at dt / tau = 1/20."""
    return jnp.exp(-dt / tau) * trace


def seen(trace: Array, spikes: Array, order: Order) -> Array:
    """The (faded) trace as the other neuron's spike meets it, where this neuron spikes too: before its jump, after it,
    or not at all (`none`: a coincident pair changes nothing)."""
    if order == "before":
        return trace
    return trace + spikes if order == "after" else trace * (1.0 - spikes)
