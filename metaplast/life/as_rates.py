"""Spikes as rates, for rules that were written for rates."""

import math
from collections.abc import Mapping

import jax.numpy as jnp
from jax import Array

from metaplast.life.at_synapse import AtSynapse
from metaplast.signals import NeuronView, Theta
from metaplast.wiring import Edge, Wiring


def no_rates(wiring: Wiring, edge: Edge) -> Theta:
    """The rates of the spiking sides of an edge at birth: {side: zeros [n]}.

    Args:
        wiring: the graph.
        edge: the edge.
    """
    sizes = {"pre": edge.connection.n_pre, "post": edge.connection.n_post}
    return {side: jnp.zeros(sizes[side]) for side in sorted(wiring.spiking(edge))}


def as_rates(
    edge: Edge,
    rates: Theta,
    sent: Array,
    views: Mapping[str, NeuronView],
    dt: float,
    tau: float,
    reference: float,
) -> tuple[Theta, AtSynapse]:
    """The signals at the synapses of an edge, with a running rate in place of the spikes.

        r <- exp(-dt / tau) r + (1 - exp(-dt / tau)) z / (dt reference)

    r [n]: rate, in units of `reference`. It is trace / (tau reference) for dt -> 0, where the trace
        jumps by 1 at a spike. Its mean is that of z / (dt reference) at any dt.
    z [n]: spikes of this step, on the presynaptic side those that the edge transmits.

    Args:
        edge: the edge.
        rates: {side: r before the step}, of the sides that spike (`no_rates`).
        sent: the presynaptic signal that the edge transmits [n_pre].
        views: the view of every population in the step.
        dt: seconds per step.
        tau: time constant of the trace, in seconds.
        reference: hertz that an activity of 1 stands for.

    Returns:
        (The rates after the step, the signals.)
    """
    kept = math.exp(-dt / tau)
    signals = {"pre": sent, "post": views[edge.post].activity}
    later = {}
    for side, rate in rates.items():
        later[side] = kept * rate + (1.0 - kept) / (dt * reference) * signals[side]
    post = {"activity": later["post"]} if "post" in later else {}
    return later, AtSynapse(later.get("pre", sent), post)
