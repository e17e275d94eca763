"""An action: the output that is most active."""

import jax
import jax.numpy as jnp
from jax import Array

from metaplast.signals import Key


def most_active(activity: Array, key: Key) -> Array:
    """The index [] of the largest activity [n]; one is drawn where several are largest."""
    largest = activity >= jnp.max(activity)
    return jnp.argmax(jnp.where(largest, jax.random.uniform(key, activity.shape), -1.0))
