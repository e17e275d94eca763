"""Rectified linear unit."""

import jax
from jax import Array

from metaplast.neurons.base import RateNeuron
from metaplast.registry import register
from metaplast.spec import spec


@register("neuron", "relu")
@spec
class Relu(RateNeuron):
    """A rectified unit.

        f(u) = max(0, u)
        f'(u) = 1                 where u > 0
        f'(u) = 0                 elsewhere, at u = 0 too

    u [n]: drive of the soma, in the unit of the activity.

    Source: elementary.
    """

    def activate(self, potential: Array) -> tuple[Array, Array]:
        return jax.nn.relu(potential), (potential > 0).astype(potential.dtype)
