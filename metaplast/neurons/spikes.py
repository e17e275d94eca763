"""A source of given spikes."""

from typing import ClassVar

import jax.numpy as jnp
from jax import Array

from metaplast.neurons.base import RateNeuron
from metaplast.registry import register
from metaplast.spec import spec


@register("neuron", "spikes")
@spec
class Spikes(RateNeuron):
    """A source of given spikes, for inputs whose task shows spikes.

        f(u) = u
        f'(u) = 1

    u [n]: drive of the soma: the spikes.

    The drive is 0 in most steps. This is neuron `linear`, but it says that its output is spikes:
    synapses may then run from spike to spike. Counts and fractions are sent as they are.
    Source: elementary.
    """

    spiking: ClassVar[bool] = True

    def activate(self, potential: Array) -> tuple[Array, Array]:
        return potential, jnp.ones_like(potential)
