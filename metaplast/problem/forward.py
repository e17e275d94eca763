"""Exact gradients without a backward pass."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.flatten_util import ravel_pytree

from metaplast.signals import Theta


def forward_value_and_grad(
    fun: Callable[[Theta], tuple[Array, Any]], chunk: int
) -> Callable[[Theta], Any]:
    """The function `jax.value_and_grad(fun, has_aux=True)`, in forward mode.

        d fun / d theta_i = the tangent of fun along unit vector i

    `chunk` of these tangents are pushed through at a time. Time grows with the numbers in theta.
    Memory grows with `chunk`, but not with the steps that `fun` scans over.

    Args:
        fun: theta -> (value [], anything else).
        chunk: the number of tangents at a time.

    Returns:
        theta -> ((value [], anything else), gradient).
    """

    def value_and_grad(theta: Theta) -> tuple[tuple[Array, Any], Theta]:
        flat, unravel = ravel_pytree(theta)
        width = max(1, min(chunk, flat.size))
        n_blocks = max(1, -(-flat.size // width))

        def along(i: Array) -> tuple[Array, Array, Any]:
            unit = (jnp.arange(flat.size) == i).astype(flat.dtype)
            return jax.jvp(lambda x: fun(unravel(x)), (flat,), (unit,), has_aux=True)

        units = jnp.arange(n_blocks * width).reshape(n_blocks, width)
        value, slope, extra = lax.map(jax.vmap(along), units)
        first = jax.tree.map(lambda x: x[0, 0], (value, extra))
        return first, unravel(slope.reshape(-1)[: flat.size])

    return value_and_grad
