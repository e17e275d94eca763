"""The lowest of some numbers."""

import jax.numpy as jnp
from jax import Array


def lowest(values: Array, n: Array, among: Array) -> Array:
    """Whether a number is one of the n lowest.

    Of equal numbers, the earlier ones count as lower.

    Args:
        values: finite numbers of any shape.
        n: [], so many are chosen; all that stand to choice, where they are fewer.
        among: whether a number stands to choice, of the shape of `values`.

    Returns: bools of the same shape.
    """
    order = jnp.argsort(jnp.where(among, values, jnp.inf), axis=None)
    ranks = jnp.zeros(order.shape, order.dtype).at[order].set(jnp.arange(order.size))
    return among & (ranks.reshape(values.shape) < n.astype(ranks.dtype))
