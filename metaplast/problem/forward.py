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
    """theta -> ((fun's value [], what else it returns), gradient), as jax.value_and_grad(fun,
    has_aux=True) gives them.

    d fun / d theta_i is the tangent of fun along unit vector i. `chunk` of these are pushed through
    at a time, so that time grows with the numbers in theta, and memory with `chunk` but not with
    the steps that `fun` scans over.
    """

    def value_and_grad(theta: Theta) -> tuple[tuple[Array, Any], Theta]:
        flat, unravel = ravel_pytree(theta)
        width = max(1, min(chunk, flat.size))
        blocks = max(1, -(-flat.size // width))

        def along(i: Array) -> tuple[Array, Array, Any]:
            unit = (jnp.arange(flat.size) == i).astype(flat.dtype)
            return jax.jvp(lambda x: fun(unravel(x)), (flat,), (unit,), has_aux=True)

        units = jnp.arange(blocks * width).reshape(blocks, width)
        value, slope, aside = lax.map(jax.vmap(along), units)
        first = jax.tree.map(lambda x: x[0, 0], (value, aside))
        return first, unravel(slope.reshape(-1)[: flat.size])

    return value_and_grad
