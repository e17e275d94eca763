"""Spikes that gradients can pass.

Forward they are a step function; backward they have a chosen bell-shaped derivative.
"""

import math
from collections.abc import Callable
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

Name = Literal[
    "superspike", "triangle", "dampened_triangle", "arctan", "tanh", "boxcar", "straight_through"
]


class Shape(NamedTuple):
    """A surrogate derivative.

    Attributes:
        derivative: (x, k) -> the derivative at x.
        slope: the usual k, in 1 / unit of x.
    """

    derivative: Callable[[Array, float | Array], Array]
    slope: float


SURROGATES: dict[str, Shape] = {
    "superspike": Shape(lambda x, k: 1.0 / (1.0 + k * jnp.abs(x)) ** 2, 25.0),
    "triangle": Shape(lambda x, k: jnp.maximum(0.0, 1.0 - jnp.abs(k * x)), 2.0),
    "dampened_triangle": Shape(lambda x, k: 0.3 * jnp.maximum(0.0, 1.0 - jnp.abs(k * x)), 1.0),
    "arctan": Shape(lambda x, k: 1.0 / (math.pi * (1.0 + (math.pi * k * x) ** 2)), 2.0),
    "tanh": Shape(lambda x, k: 1.0 - jnp.tanh(k * x) ** 2, 1.0),
    "boxcar": Shape(lambda x, k: 0.5 * (jnp.abs(k * x) <= 1.0).astype(x.dtype), 1.0),
    "straight_through": Shape(lambda x, k: jnp.ones_like(x), 1.0),
}


class Surrogate(NamedTuple):
    """A surrogate derivative, as a neuron sets it.

    Attributes:
        name: a key of `SURROGATES`.
        slope: its slope k; 0 takes the usual one.
        dampening: the factor of the derivative.
    """

    name: str = "superspike"
    slope: float = 0.0
    dampening: float = 1.0

    def __call__(self, x: Array, steeper: float | Array = 1.0) -> Array:
        """The derivative at x, with the slope `steeper` times as large."""
        shape = SURROGATES[self.name]
        return self.dampening * shape.derivative(x, (self.slope or shape.slope) * steeper)


@jax.custom_jvp
def spike(x: Array, derivative: Array) -> Array:
    """1 where x > 0, else 0, with the given derivative at x.

    It is not a number where x is none: a broken potential is no silence.
    """
    return jnp.where(jnp.isnan(x), x, (x > 0).astype(x.dtype))


@spike.defjvp
def _(primals: tuple[Array, Array], tangents: tuple[Array, Array]) -> tuple[Array, Array]:
    x, derivative = primals
    tangent, _ = tangents
    return spike(x, derivative), derivative * tangent
