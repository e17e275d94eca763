"""Running means over steps."""

from jax import Array


def moved(mean: Array, value: Array, steps: float | Array) -> Array:
    """The running mean of about the last `steps` values, after one more value.

    Args:
        mean: the mean before, of any shape.
        value: the new value, of the same shape.
        steps: the number of values that the mean goes over.
    """
    return mean + (value - mean) / steps
