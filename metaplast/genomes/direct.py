"""Initial weights that are themselves learned."""

from metaplast.genomes.base import AbstractGenome, draw, synapses
from metaplast.registry import register
from metaplast.signals import Key, Synapses, Theta
from metaplast.spec import spec
from metaplast.wiring import Wiring


@register("genome", "direct")
@spec
class Direct(AbstractGenome):
    """Every life is born with the same weights, learned one by one.

        w_ji = theta_ji

    w_ji: a weight at birth, in the layout of the edge.

    theta: {edge: weights in the layout of the edge}.
    Source: elementary.
    """

    def init(self, key: Key, wiring: Wiring) -> Theta:
        return draw(wiring, key)

    def weights(self, theta: Theta, wiring: Wiring, task: Theta, key: Key) -> dict[str, Synapses]:
        return synapses(wiring, theta)
