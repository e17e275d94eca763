"""A unit that is always on: an edge from it is a bias."""

import jax.numpy as jnp
from jax import Array

from metaplast.neurons.base import RateNeuron
from metaplast.registry import register
from metaplast.spec import spec


@register("neuron", "constant")
@spec
class Constant(RateNeuron):
    """A unit that is always on, whatever drives it.

        f(u) = 1
        f'(u) = 0

    u [n]: drive of the soma, in any unit.

    Source: elementary.
    """

    def activate(self, potential: Array) -> tuple[Array, Array]:
        return jnp.ones_like(potential), jnp.zeros_like(potential)
