"""Spike times that JAX differentiates by their adjoint."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from metaplast.events.adjoint import adjoint
from metaplast.events.membrane import EventMembrane
from metaplast.events.simulation import Record, indices, simulated


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def spikes(
    membrane: EventMembrane, weights: Array, input_times: Array, input_sources: Array
) -> Record:
    """The spikes of one presentation (`simulated`), with EventProp as the gradient of their times.

    The record alone is kept for it: one time, one source and one current a spike. Derivatives of
    `excess` are not part of it.

    Args:
        membrane: the neurons.
        weights: row s holds the synapses that leave source s [n_inputs + n, n].
        input_times: seconds; a time beyond the duration is no spike [n_input_spikes].
        input_sources: the input that sends each of them, integers [n_input_spikes].
    """
    return simulated(membrane, weights, input_times, input_sources)


def _forward(
    membrane: EventMembrane, weights: Array, input_times: Array, input_sources: Array
) -> tuple[Record, tuple[Array, Array, Record]]:
    record = simulated(membrane, weights, input_times, input_sources)
    return record, (weights, input_times, record)


def _backward(
    membrane: EventMembrane, kept: tuple[Array, Array, Record], pulled: Record
) -> tuple[Array, Array, np.ndarray]:
    weights, input_times, record = kept
    moved = adjoint(membrane, weights, record, pulled.times)
    n_sources, n = weights.shape
    # The input spikes stand in the record in the order of their times.
    is_input = record.sources < n_sources - n
    place = jnp.cumsum(is_input, dtype=jnp.int32) - 1
    place = jnp.where(is_input, place, len(input_times))
    order = jnp.argsort(input_times)
    in_order = jnp.zeros(len(input_times), weights.dtype).at[place].add(moved.times, mode="drop")
    of_inputs = jnp.zeros_like(in_order).at[order].set(in_order)
    return moved.weights, of_inputs, np.zeros(len(input_times), jax.dtypes.float0)


spikes.defvjp(_forward, _backward)


def first_spikes(record: Record, first: int, n: int, duration: float) -> Array:
    """The time of the first spike of n sources in a row, or the duration [n].

    Args:
        record: of the presentation.
        first: the number of the first source.
        n: the number of sources.
        duration: seconds, for a source that is silent.
    """
    sends = record.sources[:, None] == first + indices(n)[None, :]
    return jnp.min(jnp.where(sends, record.times[:, None], duration), axis=0)
