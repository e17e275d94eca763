"""When spikes are at a synapse: what the rule of an edge sees of its two neurons in one step.

Pair rules are written for the times at which spikes reach the synapse: a presynaptic one fired at t
at t + d_axon, a postsynaptic one at t + d_dendrite, delays that the edge declares (transmission
`delayed`). A recurrent edge transmits one step later than that, since its cells are updated one
population after
the other: a lag of this program, which such rules do not see. A rule that gives credit for what was
transmitted (e-prop, a policy gradient) needs that very signal.
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
OWN_FIELDS = (
    "activity",
    "potential",
    "gain",
    "score",
    "dendrite",
)  # of a NeuronView: what the neuron itself makes


class AtSynapse(NamedTuple):
    """What is at the synapses of an edge in one step.

    pre: the presynaptic activity, [n_pre].
    post: the fields of the postsynaptic view that are not those of this step, each [n_post].
    sent: the presynaptic activity that the edge transmits, [n_pre], where that is another one.
    """

    pre: Array
    post: dict[str, Array]
    sent: Array | None = None


def timed(wiring: Wiring, edges: Mapping[str, Edge], dt: float) -> dict[str, Edge]:
    """Those of the edges at which spikes are at other times than those at which they are
    transmitted.
    """
    return {
        name: edge
        for name, edge in edges.items()
        if wiring.backwards(edge) or edge.transmission.dendritic_steps(dt)
    }


def waiting(edge: Edge, fields: frozenset[str], dt: float) -> Theta:
    """What is on its way from the soma to the synapses of an edge, at birth; fields: those that its
    rule reads.

    A queue [n_steps, n_post] of every field, oldest first, and whether nothing has entered it yet.
    """
    n_steps = edge.transmission.dendritic_steps(dt)
    names = [name for name in OWN_FIELDS if f"post.{name}" in fields] if n_steps else []
    queues = {name: jnp.zeros((n_steps, edge.connection.n_post)) for name in names}
    return {"empty": jnp.ones(()), **queues} if queues else {}


def at_synapse(
    wiring: Wiring,
    edge: Edge,
    behind: Theta,
    network: tuple[NetworkState, NetworkState],
    views: Mapping[str, NeuronView],
    dt: float,
) -> tuple[Theta, AtSynapse]:
    """(what is on its way after this step, what is at the synapses of an edge in it), for a rule of
    spike times.

    network: before and after the step. The transmission of an edge that goes back has not met the
    spikes of this step
    yet: what it makes of them is looked up ahead. Before the first arrival no spike arrives; every
    other signal is that of the first step.
    """
    before, after = network
    state = (after if wiring.backwards(edge) else before).transmissions[edge.name]
    pre = edge.transmission.at_synapse(state, views[edge.pre].activity, dt)
    post, later = {}, {}
    for name, queue in behind.items():
        if name == "empty":
            later["empty"] = jnp.zeros(())
            continue
        now = getattr(views[edge.post], name)
        held = queue if name == "activity" else jnp.where(behind["empty"] > 0, now, queue)
        post[name], later[name] = queued(held, now)
    return later, AtSynapse(pre, post)
