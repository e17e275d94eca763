"""Sums over many synapses that a rule may read.

They are computed from weights and signals, and only where a rule reads them:

    pre.returned_i = sum_j w_ji y_j
    pre.weight_sum_i = sum_j w_ji
    pre.weight_norm_i = sqrt(sum_j w_ji^2)
    post.weight_sum_j = sum_i w_ji
    post.weight_norm_j = sqrt(sum_i w_ji^2)
    post.input_gain_j = 1 / (1 + sum_i x_i^2), over the synapses of neuron j
    post.layer_power_j = sum_k y_k^2
    post.layer_backward_j = sum_ki y_k w_ki e_i
    post.layer_forward_j = sum_ki e_k w_ki x_i

    x_i: activity of presynaptic neuron i.
    y_j: activity of postsynaptic neuron j.
    w_ji: weight of the synapse from i to j.
    e_i, e_j: credit signals.

The last three are numbers of a layer: they are the same at every neuron.
"""

from collections.abc import Callable, Collection
from typing import NamedTuple

import jax.numpy as jnp
from jax import Array

from metaplast.connections.base import AbstractConnection


class Aggregate(NamedTuple):
    """One of the sums.

    needs: names of the signals from which it is computed.
    compute: (connection, weight, *signals) -> values of the sum.
    """

    needs: tuple[str, ...]
    compute: Callable[..., Array]


def _root(squares: Array) -> Array:
    """The square root, whose gradient is 0, not infinite, for a neuron without a synapse."""
    return jnp.sqrt(jnp.maximum(squares, 1e-30))


def _input_gain(connection: AbstractConnection, weight: Array, x: Array) -> Array:
    power = jnp.broadcast_to(connection.at_pre(x**2), connection.shape) * connection.mask()
    return 1.0 / (1.0 + connection.reduce_post(power))


def _layer_backward(connection: AbstractConnection, weight: Array, y: Array, e: Array) -> Array:
    return jnp.full(connection.n_post, jnp.sum(connection.backpropagate(weight, y) * e))


def _layer_forward(connection: AbstractConnection, weight: Array, x: Array, e: Array) -> Array:
    return jnp.full(connection.n_post, jnp.sum(connection.propagate(weight, x) * e))


AGGREGATES = {
    "pre.returned": Aggregate(("post.activity",), lambda c, w, y: c.backpropagate(w, y)),
    "pre.weight_sum": Aggregate((), lambda c, w: c.reduce_pre(w)),
    "post.weight_sum": Aggregate((), lambda c, w: c.reduce_post(w)),
    "pre.weight_norm": Aggregate((), lambda c, w: _root(c.reduce_pre(w**2))),
    "post.weight_norm": Aggregate((), lambda c, w: _root(c.reduce_post(w**2))),
    "post.input_gain": Aggregate(("pre.activity",), _input_gain),
    "post.layer_power": Aggregate(
        ("post.activity",), lambda c, w, y: jnp.full(c.n_post, jnp.sum(y**2))
    ),
    "post.layer_backward": Aggregate(("post.activity", "pre.feedback"), _layer_backward),
    "post.layer_forward": Aggregate(("pre.activity", "post.feedback"), _layer_forward),
}


def aggregates(
    connection: AbstractConnection,
    weight: Array,
    signal: Callable[[str], Array],
    fields: Collection[str],
) -> dict[str, dict[str, Array]]:
    """The sums of AGGREGATES that are among `fields`.

    Args:
        connection: the synapses.
        weight: the weights, in the layout of the connection.
        signal: the values behind a name such as `post.activity`.
        fields: names such as `post.weight_sum`.

    Returns: {"pre": {field: [n_pre]}, "post": {field: [n_post]}}.
    """
    sides: dict[str, dict[str, Array]] = {"pre": {}, "post": {}}
    for name, aggregate in AGGREGATES.items():
        if name in fields:
            side, _, field = name.partition(".")
            signals = map(signal, aggregate.needs)
            sides[side][field] = aggregate.compute(connection, weight, *signals)
    return sides
