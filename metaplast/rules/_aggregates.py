"""Sums over many synapses that a rule may read: computed from the weights, and only where they are read."""

from collections.abc import Callable, Collection

import jax.numpy as jnp
from jax import Array

from metaplast.connections.base import AbstractConnection

AGGREGATES = ("pre.returned", "pre.weight_sum", "post.weight_sum", "pre.weight_norm", "post.weight_norm")


def aggregates(
    connection: AbstractConnection, weight: Array, post: Array, fields: Collection[str]
) -> dict[str, dict[str, Array]]:
    """Those of AGGREGATES that are among `fields`: {"pre": {field: [n_pre]}, "post": {field: [n_post]}}.

    returned_i = sum_j w_ji post_j; weight_sum and weight_norm: sum and Euclidean norm over a neuron's own synapses.
    """
    ways: dict[str, Callable[[], Array]] = {
        "pre.returned": lambda: connection.backpropagate(weight, post),
        "pre.weight_sum": lambda: connection.reduce_pre(weight),
        "post.weight_sum": lambda: connection.reduce_post(weight),
        "pre.weight_norm": lambda: jnp.sqrt(connection.reduce_pre(weight**2)),
        "post.weight_norm": lambda: jnp.sqrt(connection.reduce_post(weight**2)),
    }
    sides: dict[str, dict[str, Array]] = {"pre": {}, "post": {}}
    for name, compute in ways.items():
        if name in fields:
            side, _, field = name.partition(".")
            sides[side][field] = compute()
    return sides
