"""A connection that runs from spike to spike where its input is spikes."""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import ClassVar

import jax.numpy as jnp
from jax import Array

from metaplast.connections._access import Access
from metaplast.connections._events import Kinds, change, propagation, twin
from metaplast.connections.base import AbstractConnection, Move, Term
from metaplast.native import calls


class EventDriven(AbstractConnection):
    """A connection whose synapses are reached neuron by neuron.

    few: the largest number of synapses for which a step over all of them at once is as fast.
    """

    few: ClassVar[int]

    @abstractmethod
    def access(self) -> Access:
        """The access to the synapses of one neuron."""

    def propagate_spikes(self, weights: Array, spikes: Array) -> Array:
        if weights.size <= self.few:
            return self.propagate(weights, spikes)
        return _propagation(self, calls.fits(weights, spikes))(weights, spikes)

    def changed(self, weights: Array, terms: Sequence[Term], move: Move) -> Array:
        by_spikes = bool(terms) and {term.sparse for term in terms} <= move.spiking
        by_spikes = by_spikes and all(term.synapse is None for term in terms)
        if weights.size <= self.few or not by_spikes or move.mask.ndim:
            return super().changed(weights, terms, move)
        post_ones = jnp.ones(self.n_post, weights.dtype)
        pre_ones = jnp.ones(self.n_pre, weights.dtype)
        posts = []
        pres = []
        for term in terms:
            posts.append(post_ones if term.post is None else term.post)
            pres.append(pre_ones if term.pre is None else term.pre)
        powers = tuple(term.power for term in terms)
        sides = tuple(term.sparse for term in terms)
        factor = move.mask * move.gate
        native = calls.takes(powers) and calls.fits(weights, factor, *posts, *pres)
        changed = _change(self, Kinds(powers, sides), (move.low, move.high), native)
        return changed(weights, factor, tuple(posts), tuple(pres))


@lru_cache(maxsize=64)
def _propagation(connection: EventDriven, native: bool) -> Callable[[Array, Array], Array]:
    """(weights, pre) -> the drive of the postsynaptic neurons."""
    access = connection.access()
    fast = calls.propagation(access.table()) if native else propagation(access)
    return twin(fast, connection.propagate)


@lru_cache(maxsize=64)
def _change(
    connection: EventDriven, kinds: Kinds, bounds: tuple[float, float], native: bool
) -> Callable[..., Array]:
    """(weights, factor [], posts, pres) -> weights, for terms of these kinds."""
    access = connection.access()

    def plain(
        weights: Array, factor: Array, posts: tuple[Array, ...], pres: tuple[Array, ...]
    ) -> Array:
        terms = [Term(*term) for term in zip(posts, pres, kinds.powers, strict=True)]
        move = Move(factor, jnp.ones(()), *bounds)
        return AbstractConnection.changed(connection, weights, terms, move)

    if native:
        return twin(calls.change(access.table(), *kinds, bounds), plain)
    return twin(change(access, kinds, bounds), plain)
