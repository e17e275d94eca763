"""Two edits of the tree in a code that a change of one gene does not make: grow and shrink."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from metaplast.language.machine import integers


class _Graph(NamedTuple):
    """A code as arrays; node k is operand n_leaves + k.

    operator [size]: the operators
    operands [size, 2]: the left and right operand of each node
    out []: the operand that is read
    active [size]: whether the tree holds the node
    """

    operator: Array
    operands: Array
    out: Array
    active: Array


def grown(code: Array, reserve: Array, n_leaves: int, key: Array) -> Array:
    """The code with x replaced by `x operator y`; x is an operand that the tree reads.

    y is a leaf, or a new node over leaves and earlier nodes, with equal probability. The nodes of
    the tree move to the front, in their order. All others are those of `reserve`. The code is
    returned as it is where it has no room for two more nodes.

    Args:
        code: [3 size + 1], within the limits of codes.
        reserve: a random code, which gives the new genes.
        n_leaves: the number of leaves.
        key: the randomness of the place and of y.
    """
    graph = _read(code, n_leaves)
    size = len(graph.operator)
    k_place, k_y, k_node = jax.random.split(key, 3)
    place = _drawn_place(graph, k_place)
    rank = jnp.cumsum(graph.active) - 1
    n_active = jnp.sum(graph.active)
    reader = jnp.minimum(place // 2, size - 1)
    at = jnp.where(place == 2 * size, n_active, rank[reader])
    moved = jnp.where(rank >= at, rank + 2, rank)

    def renamed(operands: Array) -> Array:
        node = jnp.maximum(operands - n_leaves, 0)
        return jnp.where(operands < n_leaves, operands, n_leaves + moved[node])

    x = renamed(_operands(graph)[place])
    random = _read(reserve, n_leaves)
    to = jnp.where(graph.active, moved, size)
    operator = random.operator.at[to].set(graph.operator, mode="drop")
    operands = random.operands.at[to].set(renamed(graph.operands), mode="drop")

    few = jax.random.uniform(k_node, (3,))
    earlier = jnp.floor(few[:2] * (n_leaves + at).astype(few.dtype)).astype(jnp.int32)
    leaf = jnp.floor(few[2] * n_leaves).astype(jnp.int32)
    y = jnp.where(jax.random.bernoulli(k_y), n_leaves + at, leaf)
    operands = operands.at[at].set(earlier, mode="drop")
    operands = operands.at[at + 1].set(jnp.stack([x, y]), mode="drop")
    new = n_leaves + at + 1
    flat_place = jnp.where(place == 2 * size, 2 * size, 2 * to[reader] + place % 2)
    read = jnp.append(operands.reshape(-1), renamed(graph.out)).at[flat_place].set(new)
    has_room = n_active + 2 <= size
    return jnp.where(has_room, _written(operator, read, code.dtype), code)


def shrunk(code: Array, n_leaves: int, key: Array) -> Array:
    """The code with one node of the tree replaced by one of its operands.

    The code is returned as it is where the tree is a leaf.

    Args:
        code: [3 size + 1], within the limits of codes.
        n_leaves: the number of leaves.
        key: the randomness of the place and of the side.
    """
    graph = _read(code, n_leaves)
    k_place, k_side = jax.random.split(key)
    operands = _operands(graph)
    place = _drawn_place(graph, k_place, operands >= n_leaves)
    node = jnp.maximum(operands[place] - n_leaves, 0)
    side = jax.random.bernoulli(k_side).astype(jnp.int32)
    by = jnp.where(graph.out < n_leaves, operands[place], graph.operands[node, side])
    return _written(graph.operator, operands.at[place].set(by), code.dtype)


def _read(code: Array, n_leaves: int) -> _Graph:
    whole = integers(code, n_leaves)
    nodes = whole[:-1].reshape(-1, 3)
    operands = nodes[:, 1:]
    size = len(nodes)
    named = jnp.arange(n_leaves + size) == whole[-1]
    for k in reversed(range(size)):
        is_read = named[n_leaves + k]
        for side in range(2):
            named = named | (is_read & (jnp.arange(n_leaves + size) == operands[k, side]))
    return _Graph(nodes[:, 0], operands, whole[-1], named[n_leaves:])


def _operands(graph: _Graph) -> Array:
    """The places of operands [2 size + 1]: the two of each node in turn, then the one read out."""
    return jnp.append(graph.operands.reshape(-1), graph.out)


def _drawn_place(graph: _Graph, key: Array, wanted: Array | bool = True) -> Array:
    """One place of an operand that the tree reads, each as probable as the others."""
    in_tree = jnp.append(jnp.repeat(graph.active, 2), True) & wanted
    return jnp.argmax(jnp.where(in_tree, jax.random.uniform(key, in_tree.shape), -1.0))


def _written(operator: Array, operands: Array, dtype: np.dtype) -> Array:
    """The code of operators [size] and of the places of operands [2 size + 1]."""
    nodes = jnp.concatenate([operator[:, None], operands[:-1].reshape(-1, 2)], axis=1)
    return jnp.append(nodes.reshape(-1), operands[-1]).astype(dtype)
