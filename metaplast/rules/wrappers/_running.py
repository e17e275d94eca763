"""Running means over steps."""

from jax import Array


def moved(mean: Array, value: Array, steps: float | Array) -> Array:
    """The mean of about the last `steps` values, one value further."""
    return mean + (value - mean) / steps
