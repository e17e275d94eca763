"""The part that all connections on a fixed random graph share."""

import dataclasses
from typing import Self

from metaplast.connections._topology import Graph, graph
from metaplast.connections.base import AbstractConnection
from metaplast.spec import Count, Natural, Probability, spec


@spec
class RandomGraph(AbstractConnection):
    """Each of the n_post * n_pre pairs is a synapse with `probability`.

    At least one synapse exists. The graph is drawn once from `seed`. Equal numbers give equal
    graphs, whatever the layout of the weights.
    n_post: the number of postsynaptic neurons; the wiring sets it.
    n_pre: the number of presynaptic neurons; the wiring sets it.
    probability: of each pair to be a synapse.
    seed: of the graph.
    self_connections: whether a population that meets itself may have synapses from a neuron onto
        itself.
    """

    n_post: Count = 1
    n_pre: Count = 1
    probability: Probability = 0.1
    seed: Natural = 0
    self_connections: bool = True

    def sized(self, n_post: int, n_pre: int, index: int = 0, loop: bool = False) -> Self:
        others = {"seed": self.seed + index, "self_connections": self.self_connections or not loop}
        return dataclasses.replace(self, n_post=n_post, n_pre=n_pre, **others)

    def topology(self) -> Graph:
        """Postsynaptic and presynaptic index of every synapse, int32 [n_synapses] each."""
        return graph(self.n_post, self.n_pre, self.probability, self.seed, self.self_connections)

    @property
    def fan_in(self) -> int:
        return self.topology().fan_in(self.n_post)
