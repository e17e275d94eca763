"""Synapses between cells that were all recorded."""

from collections.abc import Mapping

from metaplast.connections.dense import Dense
from metaplast.networks.base import AbstractNetwork
from metaplast.neurons.linear import Linear
from metaplast.neurons.recorded import Recorded
from metaplast.registry import BadInput, register
from metaplast.spec import NonNegative, spec
from metaplast.wiring import ConnectionField, Edge, Population, Wiring


@register("network", "clamped")
@spec
class Clamped(AbstractNetwork):
    """input -> recorded: both populations show their recorded activity.

    The plastic synapses between them change nothing but themselves. This network is for rules that
    are fitted to weights measured before and after. Its edge is `input_to_recorded`, at the port
    `tap`.

    Args:
        connection: the layout of the edge.
        gain: standard deviation of an initial weight times sqrt(fan-in).
        bounds: lower and upper bound of the weights.

    Raises:
        BadInput: unless the task brings the populations `input` and `recorded` (task.clamp=true).

    Source: elementary.
    """

    connection: ConnectionField = Dense()
    gain: NonNegative = 1.0
    bounds: tuple[float, float] = (-10.0, 10.0)

    def wiring(self, inputs: Mapping[str, int], n_out: int) -> Wiring:
        if set(inputs) != {"input", "recorded"}:
            raise BadInput(
                f"network clamped: inputs {', '.join(inputs)}",
                "input and recorded",
                "set task.clamp=true",
            )
        connection = self.connection.sized(n_out, inputs["input"])
        edge = Edge("input", "recorded", connection, port="tap", gain=self.gain, bounds=self.bounds)
        source = Population("input", inputs["input"], Linear())
        recorded = Population("recorded", n_out, Recorded())
        return Wiring((source, recorded), (edge,))
