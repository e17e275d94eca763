"""A cell whose activity was recorded."""

from typing import ClassVar

import jax.numpy as jnp
from jax import Array

from metaplast.neurons.base import RateNeuron
from metaplast.registry import register
from metaplast.spec import spec


@register("neuron", "recorded")
@spec
class Recorded(RateNeuron):
    """A cell that shows its recorded activity.

        f(u) = u
        f'(u) = 1

    u [n]: drive of the soma, in the unit of the recording.

    Synapses that end at the port `tap` learn from this cell's activity, but the signals that they
    transmit do not change it. potential = activity, gain = 1.
    Source: elementary.
    """

    ports: ClassVar[tuple[str, ...]] = ("soma", "tap")
    signed: ClassVar[tuple[str, ...]] = ("soma", "tap")

    def activate(self, potential: Array) -> tuple[Array, Array]:
        return potential, jnp.ones_like(potential)
