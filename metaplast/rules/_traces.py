"""Traces of spikes on neurons, and the value of a trace where both neurons spike in one step."""

import math
from collections.abc import Sequence
from typing import Literal

import jax.numpy as jnp
from jax import Array, lax

Order = Literal["before", "after", "none"]
Pairing = Literal["all_to_all", "nearest"]


def faded(trace: Array, tau: float | Array, dt: float) -> Array:
    """The trace `dt` seconds later: exp(-dt/tau) trace.

    The decay is exact. An Euler step would be 2.6 % off at dt / tau = 1/20.

    Args:
        trace: of any shape.
        tau: its time constant, in seconds.
        dt: seconds.
    """
    return jnp.exp(-dt / tau) * trace


def jumped(
    trace: Array, spikes: Array, pairing: Pairing = "all_to_all", size: float | Array = 1.0
) -> Array:
    """The trace after the spikes of this step.

    Args:
        trace: the trace before them [n].
        spikes: their number at every neuron [n].
        pairing: `all_to_all`: each spike adds `size`. `nearest`: any number of spikes sets the
            trace to `size`.
        size: of a jump.
    """
    if pairing == "all_to_all":
        return trace + size * spikes
    on = _any(spikes)
    return trace * (1.0 - on) + size * on


def coincident(before: Array, after: Array, order: Order) -> Array:
    """The trace that a spike of the other neuron meets, where this neuron spikes too.

    Args:
        before: the trace before its jump [n].
        after: the trace after its jump [n].
        order: `after` or `before` the jump; `none` is another name for `before`. Before it, the
            coincident pair is left out, and pairs with earlier spikes count.
    """
    if order == "after":
        return after
    return before


def among(
    spikes: Array,
    traces: Sequence[tuple[Array, int]],
    pairing: Pairing = "all_to_all",
    power: int = 1,
) -> Array:
    """The product spikes^power prod trace^n at every neuron [n].

    Each spike finds the traces of its own neuron as they are just before it. A count m > 1
    in one step stands for m spikes in close succession. The k-th of them finds the trace x + k - 1.
    Under `nearest` the second and all later ones find 1.

    Args:
        spikes: their number at every neuron [n].
        traces: (trace before the jump of this step [n], exponent) each.
        pairing: as in `jumped`.
        power: of the spikes.
    """
    first = spikes**power if power > 1 else spikes
    for trace, exponent in traces:
        if exponent > 1:
            trace = trace**exponent
        first = first * trace
    if not traces and power == 1:
        return first
    if pairing == "nearest":
        product = jnp.ones_like(spikes)
        for trace, exponent in traces:
            product = product * trace**exponent
        every = product + spikes - 1.0
    else:
        every = _summed(spikes, traces)
    return first + jnp.where(spikes > 1, every - first, 0.0)


def _summed(count: Array, traces: Sequence[tuple[Array, int]]) -> Array:
    """sum_{k < count} prod_i (x_i + k)^n_i.

    The product is expanded in powers of k, whose sums are given by Faulhaber's formula.
    """
    from scipy.special import bernoulli  # 0.14 s, and most rules need no such sum

    coefficients = [jnp.ones_like(count)]
    for trace, exponent in traces:
        for _ in range(exponent):
            raised = [jnp.zeros_like(count), *coefficients]
            kept = [*coefficients, jnp.zeros_like(count)]
            coefficients = [trace * c + r for c, r in zip(kept, raised, strict=True)]
    numbers = bernoulli(len(coefficients))
    total = jnp.zeros_like(count)
    for j, coefficient in enumerate(coefficients):
        terms = []
        for r in range(j + 1):
            terms.append(math.comb(j + 1, r) * float(numbers[r]) * count ** (j + 1 - r))
        total = total + coefficient * sum(terms) / (j + 1)
    return total


def _any(spikes: Array) -> Array:
    """1 where there is a spike, a count of spikes or a fraction of one; 0 elsewhere.

    Its gradient is the gradient of the spikes themselves.
    """
    return spikes + lax.stop_gradient((spikes != 0).astype(spikes.dtype) - spikes)
