"""A fixed random graph, stored as one value per existing synapse."""

from collections.abc import Callable, Sequence
from functools import lru_cache

import jax.numpy as jnp
from jax import Array, ops

from metaplast.connections import _events
from metaplast.connections._events import Kinds
from metaplast.connections._random_graph import RandomGraph
from metaplast.connections._topology import Fan, fan
from metaplast.connections.base import AbstractConnection, Move, Term
from metaplast.registry import register
from metaplast.spec import spec


@register("connection", "sparse")
@spec
class Sparse(RandomGraph):
    """A random graph (`probability`, `seed`, `self_connections`) as one weight per existing synapse.

    Weights [n_synapses], ordered by presynaptic, then postsynaptic neuron. Memory goes with the number of synapses.
    Where spikes drive it, it runs from spike to spike (_events.py).
    """

    @property
    def shape(self) -> tuple[int, ...]:
        return (len(self.topology().post),)

    def propagate(self, weights: Array, pre: Array) -> Array:
        return self.reduce_post(weights * self.at_pre(pre))

    def propagate_spikes(self, weights: Array, spikes: Array) -> Array:
        return (self.propagate if weights.size <= _events.FEW else _propagation(self))(weights, spikes)

    def backpropagate(self, weights: Array, post: Array) -> Array:
        return self.reduce_pre(weights * self.at_post(post))

    def at_post(self, values: Array) -> Array:
        return values[self.topology().post]

    def at_pre(self, values: Array) -> Array:
        return values[self.topology().pre]

    def reduce_post(self, values: Array) -> Array:
        return ops.segment_sum(values, jnp.asarray(self.topology().post), self.n_post)

    def reduce_pre(self, values: Array) -> Array:
        return ops.segment_sum(values, jnp.asarray(self.topology().pre), self.n_pre, indices_are_sorted=True)

    def changed(self, weights: Array, terms: Sequence[Term], move: Move) -> Array:
        if weights.size <= _events.FEW or not terms or not {term.sparse for term in terms} <= move.spiking:
            return super().changed(weights, terms, move)
        ones = jnp.ones(self.n_post, weights.dtype), jnp.ones(self.n_pre, weights.dtype)
        posts = tuple(ones[0] if term.post is None else term.post for term in terms)
        pres = tuple(ones[1] if term.pre is None else term.pre for term in terms)
        shapes = tuple((term.power, term.sparse) for term in terms)
        return _change(self, shapes, (move.low, move.high))(weights, move.mask * move.gate, posts, pres)


@lru_cache(maxsize=64)
def _fan(connection: Sparse) -> Fan:
    return fan(connection.topology(), connection.n_post, connection.n_pre)


@lru_cache(maxsize=64)
def _propagation(connection: Sparse) -> Callable[[Array, Array], Array]:
    return _events.twin(_events.propagation(connection.topology(), _fan(connection)), connection.propagate)


@lru_cache(maxsize=64)
def _change(
    connection: Sparse, shapes: tuple[tuple[int, str], ...], bounds: tuple[float, float]
) -> Callable[..., Array]:
    """(weights, factor [], posts, pres) -> weights, for terms of the given powers and sparse sides."""

    def plain(weights: Array, factor: Array, posts: tuple[Array, ...], pres: tuple[Array, ...]) -> Array:
        terms = [Term(y, x, power) for y, x, (power, _) in zip(posts, pres, shapes, strict=True)]
        return AbstractConnection.changed(connection, weights, terms, Move(factor, jnp.ones(()), *bounds))

    powers, sparse = zip(*shapes, strict=True)
    return _events.twin(_events.change(connection.topology(), _fan(connection), Kinds(powers, sparse), bounds), plain)
