"""The machine that runs the code of an expression.

One compiled program runs every tree over the same leaves.
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from metaplast.language.expression import OPERATORS, limits

_DIVIDE = OPERATORS.index("/")


def integers(code: Array, n_leaves: int) -> Array:
    """The code as whole numbers within their limits. So every array of floats is a program.

    Args:
        code: [3 size + 1] of floats, as in theta.
        n_leaves: the number of leaves.
    """
    bounds = np.asarray(limits(n_leaves, code.shape[0] // 3), np.int32)
    return jnp.clip(jnp.round(jax.lax.stop_gradient(code)).astype(jnp.int32), 0, bounds - 1)


def run(code: Array, leaves: Sequence[Array]) -> Array:
    """The value of a tree.

    Args:
        code: [3 size + 1] of floats, as in theta.
        leaves: the values of the leaves, of one shape.
    """
    whole = integers(code, len(leaves))
    values = jnp.stack(jnp.broadcast_arrays(*leaves))
    size = code.shape[0] // 3
    values = jnp.concatenate([values, jnp.zeros((size, *values.shape[1:]), values.dtype)])
    for k in range(size):
        left, right = values[whole[3 * k + 1]], values[whole[3 * k + 2]]
        values = values.at[len(leaves) + k].set(_apply(whole[3 * k], left, right))
    return values[whole[-1]]


def _apply(operator: Array, left: Array, right: Array) -> Array:
    """The value of one operator.

    The divisor is 1 for the other operators, because a quotient that is not taken must not spoil
    the gradient.
    """
    quotient = left / jnp.where(operator == _DIVIDE, right, 1.0)
    return jax.lax.select_n(
        operator, *jnp.broadcast_arrays(left + right, left - right, left * right, quotient)
    )


def n_nodes(code: Array, n_leaves: int) -> Array:
    """The number of nodes [] of a tree. A shared node counts as often as it is used.

    Args:
        code: [3 size + 1] of floats, as in theta.
        n_leaves: the number of leaves.
    """
    whole = integers(code, n_leaves)
    size = code.shape[0] // 3
    counts = jnp.concatenate([jnp.ones(n_leaves), jnp.zeros(size)])
    for k in range(size):
        counts = counts.at[n_leaves + k].set(
            1.0 + counts[whole[3 * k + 1]] + counts[whole[3 * k + 2]]
        )
    return counts[whole[-1]]
