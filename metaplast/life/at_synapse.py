"""The times at which spikes are at a synapse, for rules of spike times.

Pair rules are written for the times at which spikes reach the synapse. A presynaptic spike fired at
t reaches it at t + d_axon, a postsynaptic one at t + d_dendrite. The edge declares both delays
(transmission `delayed`).

A recurrent edge transmits one step later than that, since cells are updated one population after
the other. This is a lag of the program, and rules of spike times do not see it. A rule that gives
credit for the transmitted signal (e-prop, a policy gradient) needs that very signal instead.
"""

from collections.abc import Mapping
from typing import Literal, NamedTuple

import jax.numpy as jnp
from jax import Array

from metaplast.networks.base import NetworkState
from metaplast.signals import NeuronView, Theta
from metaplast.transmission.delayed import queued
from metaplast.wiring import Edge, Wiring

SpikeTimes = Literal["synapse", "transmitted"]
NEURON_FIELDS = (
    "activity",
    "potential",
    "gain",
    "score",
    "dendrite",
    "site",
    "log_probability",
)
"""The fields of a NeuronView that the neuron itself makes."""


class AtSynapse(NamedTuple):
    """The signals at the synapses of an edge in one step.

    Attributes:
        pre: presynaptic activity at the synapse [n_pre].
        post: fields of the postsynaptic view that differ from those of this step, each [n_post].
        graded: the signals for rules that are not of spike times; None where they are the same.
    """

    pre: Array
    post: dict[str, Array]
    graded: "AtSynapse | None" = None


def retimed_edges(wiring: Wiring, edges: Mapping[str, Edge], dt: float) -> dict[str, Edge]:
    """The edges at whose synapses spikes are at other times than those of their transmission."""
    retimed = {}
    for name, edge in edges.items():
        if wiring.backwards(edge) or edge.transmission.dendritic_steps(dt):
            retimed[name] = edge
    return retimed


def empty_queues(edge: Edge, fields: frozenset[str], dt: float) -> Theta:
    """The signals under way from the soma to the synapses of an edge, at birth.

    Args:
        edge: the edge.
        fields: the fields of its view that the rule of the edge reads.
        dt: seconds per step.

    Returns:
        {field: queue [n_steps, n_post], oldest first} and `empty` [], 1 until something has
        entered; {} where nothing waits.
    """
    n_steps = edge.transmission.dendritic_steps(dt)
    if not n_steps:
        return {}
    names = [name for name in NEURON_FIELDS if f"post.{name}" in fields]
    if not names:
        return {}
    queues = {name: jnp.zeros((n_steps, edge.connection.n_post)) for name in names}
    return {"empty": jnp.ones(()), **queues}


def at_synapse(
    wiring: Wiring,
    edge: Edge,
    queues: Theta,
    before: NetworkState,
    after: NetworkState,
    views: Mapping[str, NeuronView],
    dt: float,
) -> tuple[Theta, AtSynapse]:
    """The signals at the synapses of an edge in one step, for a rule of spike times.

    The transmission of an edge that goes back has not met the spikes of this step yet: its answer
    to them is looked up ahead. Before the first arrival no spike arrives; every other signal is
    the one of the first step.

    Args:
        wiring: the graph.
        edge: the edge.
        queues: the signals under way before this step (`empty_queues`).
        before: the state of the network before the step.
        after: the state of the network after the step.
        views: the view of every population in the step.
        dt: seconds per step.

    Returns:
        (The queues after this step, the signals at the synapses.)
    """
    state = (after if wiring.backwards(edge) else before).transmissions[edge.name]
    pre = edge.transmission.at_synapse(state, getattr(views[edge.pre], edge.sends), dt)
    post = {}
    later = {}
    for name, queue in queues.items():
        if name == "empty":
            later["empty"] = jnp.zeros(())
            continue
        entering = getattr(views[edge.post], name)
        waiting = queue
        if name != "activity":
            waiting = jnp.where(queues["empty"] > 0, entering, queue)
        post[name], later[name] = queued(waiting, entering)
    return later, AtSynapse(pre, post)
