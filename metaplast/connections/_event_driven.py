"""A connection that runs from spike to spike where what it is given are spikes."""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import ClassVar

import jax.numpy as jnp
from jax import Array

from metaplast.connections._access import Access
from metaplast.connections._events import Kinds, change, propagation, twin
from metaplast.connections.base import AbstractConnection, Move, Term


class EventDriven(AbstractConnection):
    """few: up to so many synapses, all of them at once are as fast; access(): how those of one neuron
    are reached.
    """

    few: ClassVar[int]

    @abstractmethod
    def access(self) -> Access: ...

    def propagate_spikes(self, weights: Array, spikes: Array) -> Array:
        return (_propagation(self) if weights.size > self.few else self.propagate)(weights, spikes)

    def changed(self, weights: Array, terms: Sequence[Term], move: Move) -> Array:
        silent = bool(terms) and {term.sparse for term in terms} <= move.spiking
        if weights.size <= self.few or not silent or move.mask.ndim:
            return super().changed(weights, terms, move)
        ones = jnp.ones(self.n_post, weights.dtype), jnp.ones(self.n_pre, weights.dtype)
        posts = tuple(ones[0] if term.post is None else term.post for term in terms)
        pres = tuple(ones[1] if term.pre is None else term.pre for term in terms)
        shapes = tuple((term.power, term.sparse) for term in terms)
        return _change(self, shapes, (move.low, move.high))(
            weights, move.mask * move.gate, posts, pres
        )


@lru_cache(maxsize=64)
def _propagation(connection: EventDriven) -> Callable[[Array, Array], Array]:
    return twin(propagation(connection.access()), connection.propagate)


@lru_cache(maxsize=64)
def _change(
    connection: EventDriven, shapes: tuple[tuple[int, str], ...], bounds: tuple[float, float]
) -> Callable[..., Array]:
    """(weights, factor [], posts, pres) -> weights, for terms of the given powers and sparse sides."""

    def plain(
        weights: Array, factor: Array, posts: tuple[Array, ...], pres: tuple[Array, ...]
    ) -> Array:
        terms = [Term(y, x, power) for y, x, (power, _) in zip(posts, pres, shapes, strict=True)]
        return AbstractConnection.changed(
            connection, weights, terms, Move(factor, jnp.ones(()), *bounds)
        )

    powers, sparse = zip(*shapes, strict=True)
    return twin(change(connection.access(), Kinds(powers, sparse), bounds), plain)
