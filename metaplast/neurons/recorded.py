"""A cell whose activity was recorded."""

from typing import ClassVar

import jax.numpy as jnp
from jax import Array

from metaplast.neurons.base import AbstractNeuron
from metaplast.registry import register
from metaplast.signals import Key, NeuronView, Theta, neuron_view
from metaplast.spec import spec


@register("neuron", "recorded")
@spec
class Recorded(AbstractNeuron):
    """activity = what arrives at the soma: there the task shows what was recorded, in the unit of the recording.

    Port `tap`: synapses that end there learn from this cell's activity, but nothing that they transmit changes it.
    potential = activity, gain = 1.
    """

    ports: ClassVar[tuple[str, ...]] = ("soma", "tap")
    signed: ClassVar[tuple[str, ...]] = ("soma", "tap")

    def init(self, key: Key, n: int) -> Theta:
        return {}

    def init_state(self, theta: Theta, n: int) -> Theta:
        return {}

    def step(
        self, theta: Theta, state: Theta, drive: dict[str, Array], dt: float, key: Key
    ) -> tuple[Theta, NeuronView]:
        return state, neuron_view(drive["soma"], drive["soma"], jnp.ones_like(drive["soma"]))
