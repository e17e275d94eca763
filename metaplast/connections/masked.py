"""A fixed random graph, stored as a matrix of which only the existing synapses count."""

import jax.numpy as jnp
import numpy as np
from jax import Array

from metaplast.connections._matrix import MatrixConnection
from metaplast.connections._topology import Graph, graph
from metaplast.registry import register
from metaplast.spec import Count, Natural, Probability, spec


@register("connection", "masked")
@spec
class Masked(MatrixConnection):
    """Each of the n_post * n_pre pairs is a synapse with `probability`, drawn once from `seed`; the same numbers give
    `sparse` the same graph.

    Weights [n_post, n_pre], 0 wherever there is no synapse, from birth on: the mask goes into the life's state, and a
    change of weight is multiplied by it. At least one synapse always exists.
    """

    n_post: Count = 1
    n_pre: Count = 1
    probability: Probability = 0.1
    seed: Natural = 0
    self_connections: bool = True

    def topology(self) -> Graph:
        """Postsynaptic and presynaptic index of every synapse, int32 [n_synapses] each."""
        return graph(self.n_post, self.n_pre, self.probability, self.seed, self.self_connections)

    def support(self) -> np.ndarray:
        """bool [n_post, n_pre]: where a synapse exists."""
        present = np.zeros((self.n_post, self.n_pre), bool)
        present[self.topology()] = True
        return present

    @property
    def fan_in(self) -> int:
        return self.topology().fan_in(self.n_post)

    def mask(self) -> Array:
        return jnp.asarray(self.support(), float)
