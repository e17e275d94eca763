"""A connection: the layout of the synapses of one edge, and the linear maps of its weights."""

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple, Self

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from metaplast.signals import Key, Theta


class Term(NamedTuple):
    """One product `post_j * pre_i * weight_ji^power * synapse_ji`.

    post: the factor of the postsynaptic neurons [n_post]; None stands for ones.
    pre: the factor of the presynaptic neurons [n_pre]; None stands for ones.
    power: of the weight.
    sparse: the side whose factor is exactly 0 at neurons without a spike in this step; empty where
        there is none.
    synapse: the factor of the synapses, in the layout of the weights; None stands for ones.
    """

    post: Array | None
    pre: Array | None
    power: int = 0
    sparse: Literal["", "post", "pre"] = ""
    synapse: Array | None = None


class Move(NamedTuple):
    """How a change becomes new weights: clip(w + mask * (gate * delta), low, high).

    mask: 1 where a synapse may change, [] or in the layout of the weights.
    gate: factor of the step [].
    low, high: the bounds of the edge.
    spiking: the sides (post, pre) whose signal in this step is spikes.
    """

    mask: Array
    gate: Array
    low: float
    high: float
    spiking: frozenset[str] = frozenset()

    def __call__(self, weights: Array, delta: Array) -> Array:
        return jnp.clip(weights + self.mask * (self.gate * delta), self.low, self.high)


class AbstractConnection(ABC):
    """The synapses of one edge.

    Weights are [n_post, n_pre], or in the connection's own layout `shape`. A connection is a frozen
    spec. Index arrays are never fields: they are NumPy arrays that are built from the seed in the
    spec, and cached.
    """

    n_post: int
    n_pre: int

    def sized(self, n_post: int, n_pre: int, index: int = 0, loop: bool = False) -> Self:
        """The same kind of connection for the populations of an edge.

        Args:
            n_post: the number of postsynaptic neurons.
            n_pre: the number of presynaptic neurons.
            index: of the edge in its network, so that random graphs differ.
            loop: whether both ends are one population.
        """
        spec: Any = self
        return dataclasses.replace(spec, n_post=n_post, n_pre=n_pre)

    @property
    @abstractmethod
    def shape(self) -> tuple[int, ...]:
        """The shape of the weights."""

    @property
    @abstractmethod
    def fan_in(self) -> int:
        """Synapses onto one postsynaptic neuron (on average)."""

    @abstractmethod
    def propagate(self, weights: Array, pre: Array) -> Array:
        """Drive of the postsynaptic neurons, sum_i w_ji x_i: [n_post].

        Args:
            weights: w, in the layout `shape`.
            pre: x, the signals of the presynaptic neurons [n_pre].
        """

    def propagate_spikes(self, weights: Array, spikes: Array) -> Array:
        """`propagate` of a signal that is 0 at most neurons.

        Args:
            weights: in the layout `shape`.
            spikes: the signals of the presynaptic neurons [n_pre].
        """
        return self.propagate(weights, spikes)

    @abstractmethod
    def backpropagate(self, weights: Array, post: Array) -> Array:
        """The transpose, sum_j w_ji y_j: [n_pre].

        Args:
            weights: w, in the layout `shape`.
            post: y, the signals of the postsynaptic neurons [n_post].
        """

    @abstractmethod
    def at_post(self, values: Array) -> Array:
        """Values of postsynaptic neurons [n_post] at their synapses, broadcastable to `shape`."""

    @abstractmethod
    def at_pre(self, values: Array) -> Array:
        """Values of presynaptic neurons [n_pre] at their synapses, broadcastable to `shape`."""

    @abstractmethod
    def reduce_post(self, values: Array) -> Array:
        """Sum of synaptic values over each postsynaptic neuron's own synapses: [n_post]."""

    @abstractmethod
    def reduce_pre(self, values: Array) -> Array:
        """Sum of synaptic values over each presynaptic neuron's own synapses: [n_pre]."""

    def places(self) -> tuple[np.ndarray, np.ndarray]:
        """The postsynaptic and the presynaptic neuron of every place of the layout [n_places] each.

        A place that the mask leaves out is among them.
        """
        with jax.ensure_compile_time_eval():
            post = np.asarray(self.at_post(jnp.arange(self.n_post)))
            pre = np.asarray(self.at_pre(jnp.arange(self.n_pre)))
        flat = [np.broadcast_to(side, self.shape).reshape(-1) for side in (post, pre)]
        return flat[0], flat[1]

    def normal(self, key: Key) -> Array:
        """Standard normal values, one per synapse; the scale belongs to the genome."""
        return jax.random.normal(key, self.shape)

    def zeros(self) -> Array:
        """0 at every synapse, in the layout of the weights."""
        return jnp.zeros(self.shape)

    def mask(self) -> Array:
        """1 where a synapse of the layout exists, else 0; a scalar 1 where all of them do."""
        return jnp.ones(())

    def outer(self, terms: Sequence[Term], weights: Array) -> Array:
        """sum over terms of post_j pre_i w_ji^power synapse_ji, in the layout of the weights.

        It is computed by Horner's scheme in w, so that no feature of a synapse is stored.

        Args:
            terms: the products.
            weights: w.
        """
        rows: dict[int, Array] = {}
        for term in terms:
            product = self._product(term)
            if term.synapse is not None:
                product = product * term.synapse
            rows[term.power] = rows[term.power] + product if term.power in rows else product
        highest = max(rows, default=0)
        total = rows.get(highest, jnp.zeros(()))
        for power in range(highest - 1, -1, -1):
            total = total * weights
            total = total + rows[power] if power in rows else total
        return jnp.broadcast_to(total, self.shape)

    def changed(self, weights: Array, terms: Sequence[Term], move: Move) -> Array:
        """The weights after a change by a sum of terms.

        Args:
            weights: the weights before it, within the bounds.
            terms: the products whose sum is the change.
            move: how a change becomes new weights.
        """
        return move(weights, self.outer(terms, weights))

    def _product(self, term: Term) -> Array:
        """post_j pre_i at the synapses, broadcastable to `shape`."""
        if term.pre is None:
            return jnp.ones(()) if term.post is None else self.at_post(term.post)
        if term.post is None:
            return self.at_pre(term.pre)
        return self.at_post(term.post) * self.at_pre(term.pre)

    def lift(self, kernel: Callable[..., Theta], *per_synapse: Theta) -> Theta:
        """Apply a function of scalars at every synapse.

        Args:
            kernel: the function.
            per_synapse: its arguments, trees whose leaves are in the layout `shape`.

        Returns: its results, in the layout `shape`.
        """
        for _ in self.shape:
            kernel = jax.vmap(kernel)
        return kernel(*per_synapse)


def cell_types(n: int, n_types: int) -> np.ndarray:
    """The types 0, 1, ... of the neurons of a population, in blocks of equal size [n].

        type_i = floor(i n_types / n)

    i: the place of the neuron in its population. Neuron `mixed` lays its parts in blocks too.

    Args:
        n: the number of neurons.
        n_types: the number of types.
    """
    return np.arange(n) * n_types // n


def type_pairs(
    connection: AbstractConnection, n_post_types: int, n_pre_types: int
) -> tuple[np.ndarray, np.ndarray]:
    """The types of both neurons of every synapse, in the order of `places`.

    Args:
        connection: the synapses.
        n_post_types: the number of types of the postsynaptic neurons.
        n_pre_types: the number of types of the presynaptic neurons.
    """
    post, pre = connection.places()
    post_types = cell_types(connection.n_post, n_post_types)
    pre_types = cell_types(connection.n_pre, n_pre_types)
    return post_types[post], pre_types[pre]
