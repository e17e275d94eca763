"""The factor of soft bounds."""

import jax.numpy as jnp
from jax import Array


def soft(room: Array, mu: float) -> Array:
    """The factor max(0, room)^mu of a soft bound; 1 for mu = 0.

    The gradient at room = 0 is finite for every mu: it is 0 where mu < 1.

    Args:
        room: the distance to a bound, of any shape.
        mu: the exponent.
    """
    if mu == 0.0:
        return jnp.ones(())
    inside = room > 0
    return jnp.where(inside, jnp.where(inside, room, 1.0) ** mu, 0.0)
