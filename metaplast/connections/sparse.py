"""A fixed random graph, stored as one value per existing synapse."""

from functools import lru_cache

import jax.numpy as jnp
import numpy as np
from jax import Array, ops

from metaplast.connections._topology import mean_fan_in, support
from metaplast.connections.base import AbstractConnection
from metaplast.registry import register
from metaplast.spec import Count, Natural, Probability, spec


@register("connection", "sparse")
@spec
class Sparse(AbstractConnection):
    """Each of the n_post * n_pre pairs is a synapse with `probability`, drawn once from `seed`.

    Weights [n_synapses], ordered by postsynaptic, then presynaptic neuron; at least one synapse always exists.
    """

    n_post: Count = 1
    n_pre: Count = 1
    probability: Probability = 0.1
    seed: Natural = 0
    self_connections: bool = True

    def support(self) -> np.ndarray:
        """bool [n_post, n_pre]: where a synapse exists."""
        return support(self.n_post, self.n_pre, self.probability, self.seed, self.self_connections)

    def topology(self) -> tuple[np.ndarray, np.ndarray]:
        """Postsynaptic and presynaptic index of every synapse, int32 [n_synapses] each."""
        return _indices(self)

    @property
    def shape(self) -> tuple[int, ...]:
        return (len(self.topology()[0]),)

    @property
    def fan_in(self) -> int:
        return mean_fan_in(self.support())

    def propagate(self, weights: Array, pre: Array) -> Array:
        return self.reduce_post(weights * self.at_pre(pre))

    def backpropagate(self, weights: Array, post: Array) -> Array:
        return self.reduce_pre(weights * self.at_post(post))

    def at_post(self, values: Array) -> Array:
        return values[self.topology()[0]]

    def at_pre(self, values: Array) -> Array:
        return values[self.topology()[1]]

    def reduce_post(self, values: Array) -> Array:
        return ops.segment_sum(values, jnp.asarray(self.topology()[0]), self.n_post, indices_are_sorted=True)

    def reduce_pre(self, values: Array) -> Array:
        return ops.segment_sum(values, jnp.asarray(self.topology()[1]), self.n_pre)


@lru_cache(maxsize=64)
def _indices(connection: Sparse) -> tuple[np.ndarray, np.ndarray]:
    post, pre = np.nonzero(connection.support())
    return post.astype(np.int32), pre.astype(np.int32)
