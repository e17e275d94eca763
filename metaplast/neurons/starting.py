"""First membrane potentials."""

from typing import Annotated

import jax
import jax.numpy as jnp
from jax import Array

from metaplast.neurons.base import AbstractNeuron, NeuronWrapper
from metaplast.neurons.lif import Lif
from metaplast.registry import BadInput, register
from metaplast.signals import Key, NeuronView, Theta
from metaplast.spec import plugin, spec


@register("neuron", "starting")
@spec
class Starting(NeuronWrapper):
    """The inner neuron with another first membrane potential, of each life and of each trial.

        V(0) = potential

    V [n]: membrane potential of the inner neuron.

    All else starts at rest (currents, adaptation; u = b V of `izhikevich`). The first step
    integrates from there: nothing fires before it. State, ports, signals and theta are those of the
    inner neuron.

    It stands around all others: `{name: starting, potential: [0.0, 1.0], neuron: {name: refractory,
    ...}}`.

    Args:
        neuron: the inner neuron.
        potential: a number, or a range (low, high), in the unit of the neuron's potential. From a
            range, each cell draws its own value, evenly and by the key of the life.

    Raises:
        BadInput: for a range without width, or a neuron without a membrane (rate neurons but for
            `leaky`; sources).

    Limit: potential = the rest of the inner neuron is the inner neuron.
    Source: elementary.
    """

    neuron: Annotated[AbstractNeuron, plugin("neuron")] = Lif()
    potential: float | tuple[float, float] = 0.0

    def __post_init__(self) -> None:
        if isinstance(self.potential, tuple) and not self.potential[0] < self.potential[1]:
            raise BadInput(f"potential={self.potential}", "a number, or low < high", "swap them")
        jax.eval_shape(lambda: self.begin(self.init(jax.random.key(0), 1), 1, jax.random.key(0)))

    def init_state(self, theta: Theta, n: int) -> Theta:
        return self.neuron.init_state(theta, n)

    def begin(self, theta: Theta, n: int, key: Key) -> Theta:
        if isinstance(self.potential, tuple):
            low, high = self.potential
            first = low + (high - low) * jax.random.uniform(key, (n,))
        else:
            first = jnp.zeros(n) + self.potential
        return self.placed(self.neuron.init_state(theta, n), first)

    def placed(self, state: Theta, potential: Array) -> Theta:
        return self.neuron.placed(state, potential)

    def at_port(self, theta: Theta, state: Theta, view: NeuronView, port: str) -> Array:
        return self.neuron.at_port(theta, state, view, port)

    def step(
        self, theta: Theta, state: Theta, drive: dict[str, Array], dt: float, key: Key
    ) -> tuple[Theta, NeuronView]:
        return self.neuron.step(theta, state, drive, dt, key)
