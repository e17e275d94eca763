"""Spike traces on neurons, and what a spike sees of a trace that jumps in the same step."""

import math
from collections.abc import Sequence
from typing import Literal

import jax.numpy as jnp
from jax import Array, lax
from scipy.special import bernoulli

Order = Literal["before", "after", "none"]
Pairing = Literal["all_to_all", "nearest"]


def faded(trace: Array, tau: float | Array, dt: float) -> Array:
    """The trace `dt` seconds later, exactly: an Euler step would be 2.6 % off at dt / tau = 1/20."""
    return jnp.exp(-dt / tau) * trace


def jumped(
    trace: Array, spikes: Array, pairing: Pairing = "all_to_all", size: float | Array = 1.0
) -> Array:
    """The trace after this step's spikes: each adds `size`, or (`nearest`) sets the trace to it,
    however many.
    """
    if pairing == "all_to_all":
        return trace + size * spikes
    on = _any(spikes)
    return trace * (1.0 - on) + size * on


def seen(trace: Array, after: Array, order: Order) -> Array:
    """The trace as the other neuron's spike meets it, where this neuron spikes too: `after` its
    jump, or `before` it.

    Before it, the coincident pair is left out, and pairs with earlier spikes count; `none` is
    another name for that.
    """
    return after if order == "after" else trace


def among(
    spikes: Array, own: Sequence[tuple[Array, int]], pairing: Pairing = "all_to_all", power: int = 1
) -> Array:
    """spikes^power prod trace^n, where each spike finds its own neuron's traces as they are just
    before it: [n].

    own: (trace before this step's jump [n], exponent) each. Several spikes in one step, a count m >
    1, are the limit
    of close ones: the k-th finds x + k - 1, or (`nearest`) 1 from the second on.
    """
    first = spikes**power if power > 1 else spikes
    for trace, exponent in own:
        first = first * (trace**exponent if exponent > 1 else trace)
    if not own and power == 1:
        return first
    if pairing == "nearest":
        product = jnp.ones_like(spikes)
        for trace, exponent in own:
            product = product * trace**exponent
        every = product + spikes - 1.0
    else:
        every = _summed(spikes, own)
    return first + jnp.where(spikes > 1, every - first, 0.0)


def _summed(count: Array, own: Sequence[tuple[Array, int]]) -> Array:
    """sum_{k < count} prod_i (x_i + k)^n_i, expanded in powers of k, which Faulhaber's formula
    sums.
    """
    coefficients = [jnp.ones_like(count)]
    for trace in (trace for trace, exponent in own for _ in range(exponent)):
        raised = [jnp.zeros_like(count), *coefficients]
        coefficients = [
            trace * c + r
            for c, r in zip([*coefficients, jnp.zeros_like(count)], raised, strict=True)
        ]
    numbers, total = bernoulli(len(coefficients)), jnp.zeros_like(count)
    for j, coefficient in enumerate(coefficients):
        terms = [
            math.comb(j + 1, r) * float(numbers[r]) * count ** (j + 1 - r) for r in range(j + 1)
        ]
        total = total + coefficient * sum(terms) / (j + 1)
    return total


def _any(spikes: Array) -> Array:
    """1 where there is any spike, be it a count or a fraction, 0 elsewhere; backward it is the
    spikes themselves.
    """
    return spikes + lax.stop_gradient((spikes != 0).astype(spikes.dtype) - spikes)
