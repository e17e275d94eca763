"""Initial weights drawn anew in every life."""

import jax.numpy as jnp
import numpy as np

from metaplast.genomes.base import AbstractGenome, draw, synapses
from metaplast.registry import register
from metaplast.signals import Key, Synapses, Theta
from metaplast.spec import spec
from metaplast.wiring import Wiring


@register("genome", "random")
@spec
class Random(AbstractGenome):
    """Weights that are drawn anew in every life.

        w_ji ~ N(0, s^2 / n)
        s = gain exp(log_gain)

    w_ji: a weight at birth, in the layout of the edge.
    n: fan-in: the number of synapses onto a postsynaptic neuron.
    gain: of the edge.

    Args:
        learn_gain: whether theta holds one `log_gain` [] per edge, 0 at the start; otherwise
            nothing is learned.

    Source: LeCun, Bottou, Orr & Mueller 1998 for the scale by the fan-in.
    """

    learn_gain: bool = False

    def init(self, key: Key, wiring: Wiring) -> Theta:
        if not self.learn_gain:
            return {}
        return {edge.name: {"log_gain": jnp.zeros(())} for edge in wiring.edges}

    def weights(self, theta: Theta, wiring: Wiring, task: Theta, key: Key) -> dict[str, Synapses]:
        weights = draw(wiring, key)
        if self.learn_gain:
            for edge, weight in weights.items():
                weights[edge] = weight * jnp.exp(theta[edge]["log_gain"])
        return synapses(wiring, weights)

    def embed(self, other: AbstractGenome, theta: Theta, start: Theta) -> Theta | None:
        """A learned gain contains a gain of 1."""
        if isinstance(other, Random) and self.learn_gain and not other.learn_gain:
            return {edge: {"log_gain": np.zeros(())} for edge in start}
        return super().embed(other, theta, start)
