"""Identity: activity = drive."""

import jax.numpy as jnp
from jax import Array

from metaplast.neurons.base import RateNeuron
from metaplast.registry import register
from metaplast.spec import spec


@register("neuron", "linear")
@spec
class Linear(RateNeuron):
    """The identity: f(u) = u, f'(u) = 1. Inputs and readouts are linear populations."""

    def activate(self, potential: Array) -> tuple[Array, Array]:
        return potential, jnp.ones_like(potential)
