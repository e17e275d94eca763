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
    """activity = what arrives at the soma: there the task shows what was recorded, in the unit of
    the recording.

    Port `tap`: synapses that end there learn from this cell's activity, but nothing that they
    transmit changes it. potential = activity, gain = 1.
    """

    ports: ClassVar[tuple[str, ...]] = ("soma", "tap")
    signed: ClassVar[tuple[str, ...]] = ("soma", "tap")

    def activate(self, potential: Array) -> tuple[Array, Array]:
        return potential, jnp.ones_like(potential)
