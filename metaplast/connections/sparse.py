"""A fixed random graph, stored as one value per existing synapse."""

from functools import lru_cache
from typing import ClassVar

import jax.numpy as jnp
from jax import Array, ops

from metaplast.connections._access import Lists
from metaplast.connections._event_driven import EventDriven
from metaplast.connections._random_graph import RandomGraph
from metaplast.connections._topology import fan
from metaplast.registry import register
from metaplast.spec import spec


@register("connection", "sparse")
@spec
class Sparse(EventDriven, RandomGraph):
    """A random graph (`probability`, `seed`, `self_connections`) as one weight per synapse.

    Weights are [n_synapses], ordered by presynaptic, then postsynaptic neuron. Memory grows with
    the number of synapses. Spikes are handled one by one (_events.py).
    Source: the random graph of Gilbert 1959.
    """

    # 450 synapses take 1.2 us a step, and 0.9 to 1.4 us from spike to spike; 2,000 synapses take
    # 4.7 us, and 1.5 to 3 us.
    few: ClassVar[int] = 512

    @property
    def shape(self) -> tuple[int, ...]:
        return (len(self.topology().post),)

    def propagate(self, weights: Array, pre: Array) -> Array:
        return self.reduce_post(weights * self.at_pre(pre))

    def backpropagate(self, weights: Array, post: Array) -> Array:
        return self.reduce_pre(weights * self.at_post(post))

    def at_post(self, values: Array) -> Array:
        return values[self.topology().post]

    def at_pre(self, values: Array) -> Array:
        return values[self.topology().pre]

    def reduce_post(self, values: Array) -> Array:
        return ops.segment_sum(values, jnp.asarray(self.topology().post), self.n_post)

    def reduce_pre(self, values: Array) -> Array:
        return ops.segment_sum(
            values, jnp.asarray(self.topology().pre), self.n_pre, indices_are_sorted=True
        )

    def access(self) -> Lists:
        """By spans of the list of synapses."""
        return _access(self)


@lru_cache(maxsize=64)
def _access(connection: Sparse) -> Lists:
    return Lists(
        connection.topology(), fan(connection.topology(), connection.n_post, connection.n_pre)
    )
