"""Identity: activity = drive."""

import jax.numpy as jnp
from jax import Array

from metaplast.neurons.base import RateNeuron
from metaplast.registry import register
from metaplast.spec import spec


@register("neuron", "linear")
@spec
class Linear(RateNeuron):
    """The identity. Inputs and readouts are linear populations.

        f(u) = u
        f'(u) = 1

    u [n]: drive of the soma, in the unit of the activity.

    Source: elementary.
    """

    def activate(self, potential: Array) -> tuple[Array, Array]:
        return potential, jnp.ones_like(potential)
