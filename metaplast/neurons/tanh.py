"""Hyperbolic tangent."""

import jax.numpy as jnp
from jax import Array

from metaplast.neurons.base import RateNeuron
from metaplast.registry import register
from metaplast.spec import spec


@register("neuron", "tanh")
@spec
class Tanh(RateNeuron):
    """A hyperbolic tangent.

        f(u) = tanh(u)
        f'(u) = 1 - tanh(u)^2

    u [n]: drive of the soma, dimensionless.

    Source: elementary.
    """

    def activate(self, potential: Array) -> tuple[Array, Array]:
        activity = jnp.tanh(potential)
        return activity, 1.0 - activity**2
