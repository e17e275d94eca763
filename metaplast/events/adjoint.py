"""The backward pass: the adjoint of a network of spikes, which jumps at its events alone."""

from typing import NamedTuple

import jax.numpy as jnp
from jax import Array, lax

from metaplast.events.membrane import EventMembrane
from metaplast.events.simulation import Record, indices

LEAST = 1e-6
"""|I_n - threshold| below which a jump is cut: the neuron grazes its threshold."""


class Adjoint(NamedTuple):
    """The derivatives of a loss.

    weights: d loss / d weight, as the weights are laid out [n_inputs + n, n].
    times: e_k, d loss / d time of each spike, through all that follows it [max_events].
    sent: e_k without the effect of the reset on the neuron itself: d loss / d time at which the
        others get the spike, plus `direct` [max_events].
    """

    weights: Array
    times: Array
    sent: Array


def adjoint(membrane: EventMembrane, weights: Array, record: Record, direct: Array) -> Adjoint:
    """EventProp: what each spike and each synapse did to a loss of spike times.

        tau_m dL_V/dr = -L_V,    tau_s dL_I/dr = -L_I + L_V                    r = duration - t
        e_k = direct_k + (W^T (L_V - L_I))_n + threshold L_V,n                 at the spike k of n
        L_V,n <- L_V,n + e_k / (I_n - threshold)
        d loss / d w_jn = -tau_s sum_{spikes of n} L_I,j

    L_V, L_I [n]: adjoints of V and I; 0 at the end of the presentation.
    e_k: d loss / d time of spike k. For an input without the last term.
    I_n - threshold: tau_m V'_n just before the spike. Below 1e-6 in size it counts as 1e-6.

    Args:
        membrane: the neurons.
        weights: row s holds the synapses that leave source s [n_inputs + n, n].
        record: of the forward pass.
        direct: the derivative of the loss with respect to each time itself [max_events].

    Source: Wunderlich & Pehle 2021.
    """
    n_sources, n = weights.shape
    fanned = jnp.concatenate([weights, jnp.zeros((1, n), weights.dtype)])
    later = jnp.concatenate([record.times[1:], jnp.full(1, membrane.duration, weights.dtype)])
    sign = jnp.where(record.excess < 0.0, -1.0, 1.0)
    excess = sign * jnp.maximum(jnp.abs(record.excess), LEAST)

    def event(
        carry: tuple[Array, Array], row: tuple[Array, Array, Array, Array]
    ) -> tuple[tuple[Array, Array], tuple[Array, Array, Array]]:
        of_potential, of_current = carry
        seconds, source, above, of_time = row
        flow = membrane.flow(seconds)
        passed = flow.passed * membrane.tau_m / membrane.tau_s
        of_current = flow.current * of_current + passed * of_potential
        of_potential = flow.membrane * of_potential
        sent = of_time + jnp.dot(fanned[source], of_potential - of_current)
        sent = jnp.where(source < n_sources, sent, 0.0)
        spikes = indices(n) == source - (n_sources - n)
        reset = membrane.threshold * jnp.sum(jnp.where(spikes, of_potential, 0.0))
        moved = sent + reset
        jumped = of_potential + jnp.where(spikes, moved / above, 0.0)
        return (jumped, of_current), (of_current, moved, sent)

    rows = (later - record.times, record.sources, excess, direct)
    zeros = jnp.zeros(n, weights.dtype)
    _, (of_current, moved, sent) = lax.scan(event, (zeros, zeros), rows, reverse=True)
    arrived = -membrane.tau_s * of_current
    gradient = jnp.zeros_like(weights).at[record.sources].add(arrived, mode="drop")
    return Adjoint(weights=gradient, times=moved, sent=sent)
