"""Interneurons that are born with a perfect prediction of the layer above them."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated

import jax.numpy as jnp

from metaplast.genomes.base import AbstractGenome, demand_weights_alone
from metaplast.genomes.random import Random
from metaplast.neurons.pyramidal import Pyramidal
from metaplast.registry import register
from metaplast.signals import Key, Synapses, Theta
from metaplast.spec import plugin, spec
from metaplast.wiring import Edge, Wiring


@register("genome", "self_predicting")
@spec
class SelfPredicting(AbstractGenome):
    """Apical dendrites of a `microcircuit` are silent at birth while nothing nudges the output.

        predict = a_above / a_interneuron up        cancel = -down

    predict: weights from a layer to its interneurons.
    cancel: weights from these interneurons to the apical dendrites of the layer.
    up: weights from the layer to the one above, at birth.
    down: weights from the layer above to the apical dendrites.
    a: g_basal / (1 + g_basal + g_apical) of the cells, the share of a basal potential that reaches
        the soma.

    Every edge that is not plastic has all synapses of its connection. Their weight is its `gain`,
    the conductance of a nudge. So a `microcircuit` needs this genome also where it learns to
    predict. In any other network nothing else changes. Where the inner genome leaves out a synapse
    of up or down, it is missing in predict or cancel too.

    theta: that of the inner genome.

    Args:
        genome: the genome of the other edges. With `twins`, down is the transposed up.
        lateral: false: predict and cancel come from the inner genome too.

    Raises: BadInput for an inner genome that also writes numbers.
    Source: Sacramento, Costa, Bengio & Senn 2018.
    """

    genome: Annotated[AbstractGenome, plugin("genome")] = Random()
    lateral: bool = True

    def __post_init__(self) -> None:
        demand_weights_alone(self, self.genome)

    @property
    def needs(self) -> frozenset[str]:
        return self.genome.needs

    @property
    def masks(self) -> bool:
        return self.genome.masks

    def init(self, key: Key, wiring: Wiring) -> Theta:
        return self.genome.init(key, wiring)

    def weights(self, theta: Theta, wiring: Wiring, task: Theta, key: Key) -> dict[str, Synapses]:
        born = dict(self.genome.weights(theta, wiring, task, key))
        changed = {}
        for edge in wiring.edges:
            if not edge.plastic:
                mask = edge.connection.mask()
                weight = edge.gain * jnp.broadcast_to(mask, edge.connection.shape)
                changed[edge.name] = Synapses(weight=weight, mask=mask)
            if self.lateral and not edge.plastic and edge.sends == "potential":
                changed |= _lateral(wiring, edge, born)
        return born | changed


def _lateral(wiring: Wiring, nudge: Edge, born: Mapping[str, Synapses]) -> dict[str, Synapses]:
    """The synapses of `predict` and `cancel` of one hidden layer.

    Args:
        wiring: the graph.
        nudge: the edge by which the layer above pulls the interneurons.
        born: the synapses of all edges.
    """
    above = nudge.pre
    interneuron = nudge.post
    predict = _between(wiring, None, interneuron, "basal")
    layer = predict.pre
    up = _between(wiring, layer, above, "basal")
    down = _between(wiring, above, layer, "apical")
    cancel = _between(wiring, interneuron, layer, "apical")
    ratio = _attenuation(wiring, above) / _attenuation(wiring, interneuron)
    return {
        predict.name: replace(born[up.name], weight=ratio * born[up.name].weight),
        cancel.name: replace(born[down.name], weight=-born[down.name].weight),
    }


def _between(wiring: Wiring, pre: str | None, post: str, port: str) -> Edge:
    """The edge from one population (None: from any) to a port of another."""
    return next(e for e in wiring.into(post) if e.port == port and pre in (None, e.pre))


def _attenuation(wiring: Wiring, population: str) -> float:
    """The share of a basal potential that reaches the soma of a population."""
    neuron = wiring.population(population).neuron
    assert isinstance(neuron, Pyramidal)
    return neuron.attenuation
