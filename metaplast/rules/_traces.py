"""Spike traces on neurons, and what a spike sees of a trace that jumps in the same step."""

from typing import Literal

import jax.numpy as jnp
from jax import Array, lax

Order = Literal["before", "after", "none"]
Pairing = Literal["all_to_all", "nearest"]


def faded(trace: Array, tau: float | Array, dt: float) -> Array:
    """The trace `dt` seconds later, exactly: an Euler step would be 2.6 % off at dt / tau = 1/20."""
    return jnp.exp(-dt / tau) * trace


def jumped(trace: Array, spikes: Array, pairing: Pairing = "all_to_all", size: float | Array = 1.0) -> Array:
    """The trace after this step's spikes: each adds `size`, or (`nearest`) sets the trace to it, however many."""
    if pairing == "all_to_all":
        return trace + size * spikes
    on = _any(spikes)
    return trace * (1.0 - on) + size * on


def seen(trace: Array, after: Array, order: Order) -> Array:
    """The trace as the other neuron's spike meets it, where this neuron spikes too: `after` its jump, or `before` it.

    Before it, the coincident pair is left out, and pairs with earlier spikes count; `none` is another name for that.
    """
    return after if order == "after" else trace


def _any(spikes: Array) -> Array:
    """1 where there is any spike, be it a count or a fraction, 0 elsewhere; backward it is the spikes themselves."""
    return spikes + lax.stop_gradient((spikes != 0).astype(spikes.dtype) - spikes)
