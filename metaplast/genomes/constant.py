"""The same weight everywhere."""

import jax.numpy as jnp

from metaplast.genomes.base import AbstractGenome, synapses
from metaplast.registry import register
from metaplast.signals import Key, Synapses, Theta
from metaplast.spec import spec
from metaplast.wiring import Wiring


@register("genome", "constant")
@spec
class Constant(AbstractGenome):
    """Every weight of an edge is the same, so that the drive is `value` times the mean input.

        w = value / n

    w: a weight at birth, in the layout of the edge.
    n: fan-in: the number of synapses onto a postsynaptic neuron.

    It is for fixed readouts and uniform starts. Under Dale's law the weight is the magnitude
    |value| / fan-in.

    Args:
        value: with 0, no synapse has any strength at birth.

    Source: elementary.
    """

    value: float = 0.0

    def init(self, key: Key, wiring: Wiring) -> Theta:
        return {}

    def weights(self, theta: Theta, wiring: Wiring, task: Theta, key: Key) -> dict[str, Synapses]:
        weights = {}
        for edge in wiring.edges:
            value = abs(self.value) if wiring.magnitude(edge) else self.value
            weights[edge.name] = jnp.full(edge.connection.shape, value / edge.connection.fan_in)
        return synapses(wiring, weights)
