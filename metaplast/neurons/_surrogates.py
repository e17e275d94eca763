"""Spikes that gradients can pass: a step function forward, a chosen bell-shaped derivative backward."""

import math
from collections.abc import Callable
from functools import partial
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

Name = Literal["superspike", "triangle", "arctan"]


class Shape(NamedTuple):
    """derivative(x, k), and the slope k [1 / unit of x] at which it is usually run."""

    derivative: Callable[[Array, float], Array]
    slope: float


SURROGATES: dict[str, Shape] = {
    "superspike": Shape(lambda x, k: 1.0 / (1.0 + k * jnp.abs(x)) ** 2, 25.0),
    "triangle": Shape(lambda x, k: jnp.maximum(0.0, 1.0 - jnp.abs(k * x)), 2.0),
    "arctan": Shape(lambda x, k: 1.0 / (math.pi * (1.0 + (math.pi * k * x) ** 2)), 2.0),
}


class Surrogate(NamedTuple):
    """dampening times the derivative called `name`; slope 0 takes its own."""

    name: str = "superspike"
    slope: float = 0.0
    dampening: float = 1.0

    def __call__(self, x: Array) -> Array:
        shape = SURROGATES[self.name]
        return self.dampening * shape.derivative(x, self.slope or shape.slope)


@partial(jax.custom_jvp, nondiff_argnums=(1,))
def spike(x: Array, surrogate: Surrogate) -> Array:
    """1 where x > 0, else 0, under every surrogate."""
    return (x > 0).astype(x.dtype)


@spike.defjvp
def _(surrogate: Surrogate, primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    (x,), (tangent,) = primals, tangents
    return spike(x, surrogate), surrogate(x) * tangent
