"""W3 as flat JAX scripts: integrate-and-fire neurons whose synapses learn by the timing of spikes.

`dense` changes every synapse in every step. `by_spikes` touches only the synapses of neurons that
spiked, in blocks of neurons. Both do the same work:

    x = fade x + s                             s: the spikes of the step before, which arrive now
    V = fade V + drive + W s
    s' = [V > 1],  V = 0 where s'
    W = clip(W + up s' x^T - down (fade y) s^T, 0, largest)
    y = fade y + s'
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

BLOCK = 4  # neurons whose synapses are gathered at once


class Constants(NamedTuple):
    """The numbers of the network.

    fade: of the membrane and of both traces, in a step.
    up, down: change by a pair of spikes.
    largest: bound of the weights.
    """

    fade: float
    up: float
    down: float
    largest: float


class State(NamedTuple):
    """One network.

    weights: [post, pre] in `dense`; [synapses + 1] in `by_spikes`, whose last one is padding.
    v, x, y, spikes: [n] membranes, traces at both sides, spikes of the last step.
    """

    weights: Array
    v: Array
    x: Array
    y: Array
    spikes: Array


class Side(NamedTuple):
    """The synapses of every neuron on one side, padded to the longest list.

    place: [n, k] where the weight is; padding points behind the last weight.
    other: [n, k] the neuron at the other side; padding points behind the last neuron.
    """

    place: Array
    other: Array


def side(near: np.ndarray, far: np.ndarray, n: int) -> Side:
    """The synapses by the neurons `near`.

    Args:
        near: [synapses] the neuron of every synapse on this side.
        far: [synapses] its neuron on the other side.
        n: the number of neurons.
    """
    longest = int(np.bincount(near, minlength=n).max())
    place = np.full((n + 1, longest), len(near), np.int32)
    other = np.full((n + 1, longest), n, np.int32)
    for neuron in range(n):
        at = np.flatnonzero(near == neuron)
        place[neuron, : len(at)] = at
        other[neuron, : len(at)] = far[at]
    return Side(jnp.asarray(place), jnp.asarray(other))


@partial(jax.jit, static_argnames="n_steps")
def dense(weights: Array, drive: Array, c: Constants, n_steps: int) -> tuple[State, Array]:
    """T steps of all-to-all synapses: (the last state, spikes of every step)."""

    def step(old: State, _: None) -> tuple[State, Array]:
        x = c.fade * old.x + old.spikes
        v = c.fade * old.v + drive + old.weights @ old.spikes
        spikes = jnp.where(v > 1.0, 1.0, 0.0)
        y = c.fade * old.y
        change = c.up * spikes[:, None] * x[None, :] - c.down * y[:, None] * old.spikes[None, :]
        moved = jnp.clip(old.weights + change, 0.0, c.largest)
        new = State(moved, jnp.where(v > 1.0, 0.0, v), x, y + spikes, spikes)
        return new, jnp.sum(spikes)

    zero = jnp.zeros(len(drive))
    return lax.scan(step, State(weights, zero, zero, zero, zero), None, n_steps)


@partial(jax.jit, static_argnames="n_steps")
def by_spikes(
    weights: Array, drive: Array, incoming: Side, outgoing: Side, c: Constants, n_steps: int
) -> tuple[State, Array]:
    """T steps of listed synapses: (the last state, spikes of every step).

    Args:
        weights: [synapses].
        drive: [n].
        incoming: the synapses by their postsynaptic neurons.
        outgoing: the synapses by their presynaptic neurons.
        c: the numbers.
        n_steps: T.
    """
    n = len(drive)

    def spiking(spikes: Array) -> tuple[Array, Array]:
        """The neurons that spiked, then padding, and the number of their blocks."""
        (neurons,) = jnp.nonzero(spikes, size=n + BLOCK, fill_value=n)
        return neurons, (jnp.sum(spikes).astype(jnp.int32) + BLOCK - 1) // BLOCK

    def block(neurons: Array, k: Array) -> Array:
        return lax.dynamic_slice(neurons, (k * BLOCK,), (BLOCK,))

    def step(old: State, _: None) -> tuple[State, Array]:
        x = c.fade * old.x + old.spikes
        arriving, n_arriving = spiking(old.spikes)

        def send(k: Array, v: Array) -> Array:
            at = block(arriving, k)
            return v.at[outgoing.other[at]].add(old.weights[outgoing.place[at]])

        v = jnp.append(c.fade * old.v + drive, 0.0)
        v = lax.fori_loop(0, n_arriving, send, v)[:n]
        spikes = jnp.where(v > 1.0, 1.0, 0.0)
        y = c.fade * old.y
        fired, n_fired = spiking(spikes)
        x_padded = jnp.append(x, 0.0)
        y_padded = jnp.append(y, 0.0)
        fired_padded = jnp.append(spikes, 0.0)
        early = jnp.append(jnp.where(old.spikes > 0, 0.0, x), 0.0)  # a synapse is changed once

        def at_arrival(k: Array, w: Array) -> Array:
            at = block(arriving, k)
            place = outgoing.place[at]
            post = outgoing.other[at]
            change = c.up * x_padded[at][:, None] * fired_padded[post] - c.down * y_padded[post]
            return w.at[place].set(jnp.clip(w[place] + change, 0.0, c.largest))

        def at_spike(k: Array, w: Array) -> Array:
            at = block(fired, k)
            place = incoming.place[at]
            moved = jnp.minimum(w[place] + c.up * early[incoming.other[at]], c.largest)
            return w.at[place].set(moved)

        moved = lax.fori_loop(0, n_arriving, at_arrival, old.weights)
        moved = lax.fori_loop(0, n_fired, at_spike, moved)
        new = State(moved, jnp.where(v > 1.0, 0.0, v), x, y + spikes, spikes)
        return new, jnp.sum(spikes)

    zero = jnp.zeros(n)
    start = State(jnp.append(weights, 0.0), zero, zero, zero, zero)
    return lax.scan(step, start, None, n_steps)
