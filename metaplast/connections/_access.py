"""How the synapses of one neuron, or of one stretch of all synapses, are reached in each layout of
the weights."""

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from metaplast.connections._topology import Fan, Graph

Of = Callable[[Array], Array]  # a vector of one side -> its values at the synapses at hand
# (weights there, values of the post side, of the pre side) -> new weights
New = Callable[[Array, Of, Of], Array]
FIRST = np.int32(0)  # of the type of the other index, whatever the precision
STRETCH = 8192  # synapses that are changed at a time where all of them are


class Access(Protocol):
    """Reads and changes synapses neuron by neuron.

    Index n of a side with n neurons stands for no neuron: it has no synapses, and nothing changes.
    """

    @property
    def sizes(self) -> tuple[int, int, int]:
        """(postsynaptic neurons, presynaptic neurons, stretches)."""
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
        """drive [n_post], plus x_i of presynaptic neuron i sent over its synapses (x [n_pre])."""
        ...


def at(values: Array, index: Array) -> Array:
    """The values at indices that exist."""
    return values.at[index].get(mode="promise_in_bounds")


def one(values: Array, neuron: Array) -> Array:
    """The value of one neuron; any value for index n, which is no neuron."""
    return values.at[neuron].get(mode="clip")


class Rows(NamedTuple):
    """A matrix [n_post, n_pre]: the synapses of a neuron are a row (post) or a column (pre)."""

    n_post: int
    n_pre: int

    @property
    def _rows(self) -> int:
        return max(1, min(self.n_post, STRETCH // self.n_pre))

    @property
    def sizes(self) -> tuple[int, int, int]:
        return self.n_post, self.n_pre, -(-self.n_post // self._rows)

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


class Lists(NamedTuple):
    """One weight per synapse of a graph.

    The synapses of a presynaptic neuron lie side by side and are one window (ten spikes at 100
    synapses each: 1.9 us, against 5.3 us where each is looked up). The synapses of a postsynaptic
    neuron are looked up (3.1 us).
    """

    graph: Graph
    fan: Fan

    @property
    def _n(self) -> int:
        return len(self.graph.post)

    @property
    def sizes(self) -> tuple[int, int, int]:
        return (
            len(self.fan.incoming) - 1,
            len(self.fan.start) - 2,
            -(-self._n // min(STRETCH, self._n)),
        )

    def _window(self, i: Array) -> tuple[Callable[[Any], Array], Array, Array]:
        """The window around the synapses of presynaptic neuron i: (a function that cuts it out of
        a list of synapses, its start, whether each synapse in it is one of neuron i).
        """
        first = at(jnp.asarray(self.fan.start), i)
        last = at(jnp.asarray(self.fan.start), i + 1)
        start = jnp.minimum(first, self._n - self.fan.widest)
        place = start + jnp.arange(self.fan.widest, dtype=jnp.int32)
        cut = lambda values: lax.dynamic_slice(jnp.asarray(values), (start,), (self.fan.widest,))
        return cut, start, (first <= place) & (place < last)

    def pre(self, i: Array, weights: Array, new: New) -> Array:
        cut, start, own = self._window(i)
        old = cut(weights)
        j = cut(self.graph.post)
        window = jnp.where(own, new(old, lambda y: at(y, j), lambda x: one(x, i)), old)
        return lax.dynamic_update_slice(weights, window, (start,))

    def post(self, j: Array, weights: Array, new: New) -> Array:
        synapse = at(jnp.asarray(self.fan.incoming), j)
        i = at(jnp.asarray(self.fan.sources), j)
        old = at(weights, jnp.minimum(synapse, self._n - 1))
        return weights.at[synapse].set(
            new(old, lambda y: one(y, j), lambda x: at(x, i)), mode="drop"
        )

    def stretch(self, k: Array, weights: Array, new: New) -> Array:
        size = min(STRETCH, self._n)
        first = jnp.minimum(k * size, self._n - size)
        cut = lambda values: lax.dynamic_slice(jnp.asarray(values), (first,), (size,))
        old = cut(weights)
        j = cut(self.graph.post)
        i = cut(self.graph.pre)
        due = first + jnp.arange(size, dtype=jnp.int32) >= k * size
        part = jnp.where(due, new(old, lambda y: at(y, j), lambda x: at(x, i)), old)
        return lax.dynamic_update_slice(weights, part, (first,))

    def send(self, i: Array, weights: Array, x: Array, drive: Array) -> Array:
        cut, _, own = self._window(i)
        arriving = jnp.where(own, cut(weights) * one(x, i), 0.0)
        return drive.at[cut(self.graph.post)].add(arriving, mode="promise_in_bounds")
