"""Calls into libraries that were not written for strict dtype and rank promotion."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import jax
import jax.numpy as jnp


@contextmanager
def relaxed() -> Iterator[None]:
    """JAX's default promotion rules, for the calls into optax and evosax alone."""
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        yield


def strong(tree: Any) -> Any:
    """The tree with every leaf strongly typed.

    A weakly typed state re-traces after save and load, and its last digits change.
    """
    return jax.tree.map(lambda x: jnp.asarray(x, jnp.asarray(x).dtype), tree)
