"""A leaky soma in front of any other neuron."""

import math
from typing import Annotated

import jax.numpy as jnp
from jax import Array

from metaplast.neurons.base import AbstractNeuron, NeuronWrapper, RateNeuron
from metaplast.neurons.tanh import Tanh
from metaplast.registry import register
from metaplast.signals import Key, NeuronView, Theta
from metaplast.spec import Positive, plugin, spec


@register("neuron", "leaky")
@spec
class Leaky(NeuronWrapper):
    """A leaky soma drives the inner neuron.

        tau du/dt = -u + drive
        u <- exp(-dt / tau) u + (1 - exp(-dt / tau)) drive

    u [n]: the leaky drive, in the unit of the drive; it starts at 0.

    The step is exact while the drive is constant. The view is the inner neuron's view under the
    drive u. With a rate neuron inside this is the leaky integrator: activity = f(u), gain = f'(u).
    Drives at other ports pass through unfiltered. Ports, offered signals and theta are those of the
    inner neuron.

    Args:
        tau: time constant of the soma, in seconds.
        neuron: the inner neuron.

    Limit: tau -> 0 gives the inner neuron itself.
    Source: elementary.
    """

    tau: Positive = 20e-3
    neuron: Annotated[AbstractNeuron, plugin("neuron")] = Tanh()

    def init_state(self, theta: Theta, n: int) -> Theta:
        return {"u": jnp.zeros(n), "inner": self.neuron.init_state(theta, n)}

    def begin(self, theta: Theta, n: int, key: Key) -> Theta:
        return {"u": jnp.zeros(n), "inner": self.neuron.begin(theta, n, key)}

    def placed(self, state: Theta, potential: Array) -> Theta:
        if isinstance(self.neuron, RateNeuron):
            return {**state, "u": potential}
        return {**state, "inner": self.neuron.placed(state["inner"], potential)}

    def at_port(self, theta: Theta, state: Theta, view: NeuronView, port: str) -> Array:
        return self.neuron.at_port(theta, state["inner"], view, port)

    def step(
        self, theta: Theta, state: Theta, drive: dict[str, Array], dt: float, key: Key
    ) -> tuple[Theta, NeuronView]:
        kept = math.exp(-dt / self.tau)
        u = kept * state["u"] + (1.0 - kept) * drive["soma"]
        inner, view = self.neuron.step(theta, state["inner"], {**drive, "soma": u}, dt, key)
        return {"u": u, "inner": inner}, view
