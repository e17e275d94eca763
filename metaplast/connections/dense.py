"""Every presynaptic neuron meets every postsynaptic one."""

import jax.numpy as jnp
from jax import Array

from metaplast.connections.base import AbstractConnection
from metaplast.registry import register
from metaplast.spec import Count, spec


@register("connection", "dense")
@spec
class Dense(AbstractConnection):
    """All-to-all synapses as one matrix [n_post, n_pre]."""

    n_post: Count = 1
    n_pre: Count = 1

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.n_post, self.n_pre)

    @property
    def fan_in(self) -> int:
        return self.n_pre

    def propagate(self, weights: Array, pre: Array) -> Array:
        return weights @ pre

    def backpropagate(self, weights: Array, post: Array) -> Array:
        return post @ weights

    def at_post(self, values: Array) -> Array:
        return values[:, None]

    def at_pre(self, values: Array) -> Array:
        return values[None, :]

    def reduce_post(self, values: Array) -> Array:
        return jnp.sum(values, axis=1)

    def reduce_pre(self, values: Array) -> Array:
        return jnp.sum(values, axis=0)
