"""The access to the synapses of one neuron, or of one stretch of all synapses, in each layout."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from metaplast.connections._topology import Fan, Graph
from metaplast.native import calls

Of = Callable[[Array], Array]
"""A vector of one side -> its values at the synapses at hand."""
New = Callable[[Array, Of, Of], Array]
"""(weights at hand, values of the post side, values of the pre side) -> new weights."""
FIRST = np.int32(0)
"""The first index, of the type of the other index in any precision."""
STRETCH = 8192
"""Synapses that are changed at a time, where all of them are changed."""


class Sizes(NamedTuple):
    """The numbers of neurons on either side, and of stretches."""

    n_post: int
    n_pre: int
    n_stretches: int


class Access(Protocol):
    """Reads and changes synapses neuron by neuron.

    Index n of a side with n neurons stands for no neuron: it has no synapses, and nothing changes.
    """

    @property
    def sizes(self) -> Sizes:
        """The numbers of neurons and stretches."""
        ...

    def table(self) -> np.ndarray:
        """The synapses as the native step reads them (metaplast/native/calls.py)."""
        ...

    def pre(self, i: Array, weights: Array, new: New) -> Array:
        """The weights, with `new` at the synapses of presynaptic neuron i."""
        ...

    def post(self, j: Array, weights: Array, new: New) -> Array:
        """The weights, with `new` at the synapses of postsynaptic neuron j."""
        ...

    def stretch(self, k: Array, weights: Array, new: New) -> Array:
        """The weights, with `new` in the k-th stretch."""
        ...

    def send(self, i: Array, weights: Array, x: Array, drive: Array) -> Array:
        """The drive [n_post] after the signal of presynaptic neuron i was sent over its synapses.

        Args:
            i: the neuron.
            weights: the weights.
            x: the signals of all presynaptic neurons [n_pre].
            drive: the drive before [n_post].
        """
        ...


def at(values: Array, index: Array) -> Array:
    """The values at indices that exist."""
    return values.at[index].get(mode="promise_in_bounds")


def one(values: Array, neuron: Array) -> Array:
    """The value of one neuron; any value for index n, which is no neuron."""
    return values.at[neuron].get(mode="clip")


class MatrixRows(NamedTuple):
    """A matrix [n_post, n_pre]: the synapses of a neuron are a row (post) or a column (pre)."""

    n_post: int
    n_pre: int

    @property
    def _rows(self) -> int:
        """The number of rows in a stretch."""
        return max(1, min(self.n_post, STRETCH // self.n_pre))

    @property
    def sizes(self) -> Sizes:
        return Sizes(self.n_post, self.n_pre, math.ceil(self.n_post / self._rows))

    def table(self) -> np.ndarray:
        return calls.matrix(self.n_post, self.n_pre)

    def pre(self, i: Array, weights: Array, new: New) -> Array:
        old = lax.dynamic_slice(weights, (FIRST, i), (self.n_post, 1))
        column = new(old, lambda y: y[:, None], lambda x: one(x, i))
        return lax.dynamic_update_slice(weights, jnp.where(i < self.n_pre, column, old), (FIRST, i))

    def post(self, j: Array, weights: Array, new: New) -> Array:
        old = lax.dynamic_slice(weights, (j, FIRST), (1, self.n_pre))
        row = new(old, lambda y: one(y, j), lambda x: x[None, :])
        return lax.dynamic_update_slice(weights, jnp.where(j < self.n_post, row, old), (j, FIRST))

    def stretch(self, k: Array, weights: Array, new: New) -> Array:
        first = jnp.minimum(k * self._rows, self.n_post - self._rows)
        old = lax.dynamic_slice(weights, (first, FIRST), (self._rows, self.n_pre))
        cut = lambda y: lax.dynamic_slice(y, (first,), (self._rows,))[:, None]
        due = first + jnp.arange(self._rows, dtype=jnp.int32) >= k * self._rows
        rows = jnp.where(due[:, None], new(old, cut, lambda x: x[None, :]), old)
        return lax.dynamic_update_slice(weights, rows, (first, FIRST))

    def send(self, i: Array, weights: Array, x: Array, drive: Array) -> Array:
        column = lax.dynamic_slice(weights, (FIRST, i), (self.n_post, 1))[:, 0]
        return drive + jnp.where(i < self.n_pre, column * one(x, i), 0.0)


class _Span(NamedTuple):
    """A span of successive synapses.

    start: the first synapse [].
    size: their number.
    mine: whether each of them belongs to the neuron at hand [size].
    """

    start: Array
    size: int
    mine: Array

    def cut(self, values: Any) -> Array:
        """The part of a list of synapses that lies in the span [size]."""
        return lax.dynamic_slice(jnp.asarray(values), (self.start,), (self.size,))


class Lists(NamedTuple):
    """One weight per synapse of a graph.

    The synapses of a presynaptic neuron lie side by side and are one span (ten spikes at 100
    synapses each: 1.9 us, against 5.3 us where each is looked up). The synapses of a postsynaptic
    neuron are looked up (3.1 us).
    """

    graph: Graph
    fan: Fan

    @property
    def _n(self) -> int:
        return len(self.graph.post)

    @property
    def sizes(self) -> Sizes:
        n_stretches = math.ceil(self._n / min(STRETCH, self._n))
        return Sizes(len(self.fan.incoming) - 1, len(self.fan.start) - 2, n_stretches)

    def table(self) -> np.ndarray:
        return calls.graph(*self.graph, self.sizes.n_post, self.sizes.n_pre)

    def _span(self, i: Array) -> _Span:
        """The span around the synapses of presynaptic neuron i."""
        starts = jnp.asarray(self.fan.start)
        first = at(starts, i)
        last = at(starts, i + 1)
        start = jnp.minimum(first, self._n - self.fan.widest)
        place = start + jnp.arange(self.fan.widest, dtype=jnp.int32)
        return _Span(start, self.fan.widest, (first <= place) & (place < last))

    def pre(self, i: Array, weights: Array, new: New) -> Array:
        span = self._span(i)
        old = span.cut(weights)
        j = span.cut(self.graph.post)
        changed = new(old, lambda y: at(y, j), lambda x: one(x, i))
        part = jnp.where(span.mine, changed, old)
        return lax.dynamic_update_slice(weights, part, (span.start,))

    def post(self, j: Array, weights: Array, new: New) -> Array:
        synapse = at(jnp.asarray(self.fan.incoming), j)
        i = at(jnp.asarray(self.fan.sources), j)
        old = at(weights, jnp.minimum(synapse, self._n - 1))
        changed = new(old, lambda y: one(y, j), lambda x: at(x, i))
        return weights.at[synapse].set(changed, mode="drop")

    def stretch(self, k: Array, weights: Array, new: New) -> Array:
        size = min(STRETCH, self._n)
        first = jnp.minimum(k * size, self._n - size)
        due = first + jnp.arange(size, dtype=jnp.int32) >= k * size
        span = _Span(first, size, due)
        old = span.cut(weights)
        j = span.cut(self.graph.post)
        i = span.cut(self.graph.pre)
        changed = new(old, lambda y: at(y, j), lambda x: at(x, i))
        return lax.dynamic_update_slice(weights, jnp.where(due, changed, old), (first,))

    def send(self, i: Array, weights: Array, x: Array, drive: Array) -> Array:
        span = self._span(i)
        arriving = jnp.where(span.mine, span.cut(weights) * one(x, i), 0.0)
        return drive.at[span.cut(self.graph.post)].add(arriving, mode="promise_in_bounds")
