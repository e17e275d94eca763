"""One matrix [n_post, n_pre]: the layout that dense and masked connections share."""

import jax.numpy as jnp
from jax import Array

from metaplast.connections.base import AbstractConnection


class MatrixConnection(AbstractConnection):
    """Weights are w [n_post, n_pre]. A connection that masks some of them keeps 0 there."""

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.n_post, self.n_pre)

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
