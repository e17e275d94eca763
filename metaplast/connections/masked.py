"""A fixed random graph, stored as a matrix of which only the existing synapses count."""

import jax.numpy as jnp
import numpy as np
from jax import Array

from metaplast.connections._matrix import MatrixConnection
from metaplast.connections._random_graph import RandomGraph
from metaplast.registry import register
from metaplast.spec import spec


@register("connection", "masked")
@spec
class Masked(RandomGraph, MatrixConnection):
    """A random graph (`probability`, `seed`, `self_connections`) as a matrix.

    `sparse` with equal numbers has the same synapses. Weights are [n_post, n_pre]. Where there is
    no synapse they are 0 from birth on: the mask goes into the state of the life, and a change of
    weight is multiplied by it.
    Source: the random graph of Gilbert 1959.
    """

    def support(self) -> np.ndarray:
        """bool [n_post, n_pre]: where a synapse exists."""
        present = np.zeros((self.n_post, self.n_pre), bool)
        present[self.topology()] = True
        return present

    def mask(self) -> Array:
        return jnp.asarray(self.support(), float)
