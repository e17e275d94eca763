"""One recurrent layer under a readout."""

import dataclasses
from collections.abc import Mapping

from metaplast.connections.dense import Dense
from metaplast.networks.base import AbstractNetwork
from metaplast.neurons.linear import Linear
from metaplast.neurons.tanh import Tanh
from metaplast.registry import register
from metaplast.spec import Count, NonNegative, spec
from metaplast.transmission.instant import Instant
from metaplast.wiring import ConnectionField, Edge, NeuronField, Population, TransmissionField, Wiring


@register("network", "recurrent")
@spec
class Recurrent(AbstractNetwork):
    """input(s) -> recurrent (also onto itself, one step later) -> output.

    Populations: the task's inputs, `recurrent`, `output`; edges `input_to_recurrent`, `recurrent_to_recurrent`,
    `recurrent_to_output`. `connection` and `transmission` are those of the recurrent edge.
    """

    n_recurrent: Count = 40
    neuron: NeuronField = Tanh()
    output: NeuronField = Linear()
    connection: ConnectionField = Dense()
    transmission: TransmissionField = Instant()
    gain: NonNegative = 1.0
    recurrent_gain: NonNegative = 1.0
    bounds: tuple[float, float] = (-10.0, 10.0)

    def wiring(self, inputs: Mapping[str, int], n_out: int) -> Wiring:
        n = self.n_recurrent
        sources = [Population(name, size, Linear()) for name, size in inputs.items()]
        core, output = Population("recurrent", n, self.neuron), Population("output", n_out, self.output)
        loop = dataclasses.replace(self.connection, n_post=n, n_pre=n)  # pyright: ignore[reportArgumentType]
        edges = [Edge(s.name, core.name, Dense(n, s.n), gain=self.gain, bounds=self.bounds) for s in sources]
        edges += [
            Edge(core.name, core.name, loop, self.transmission, gain=self.recurrent_gain, bounds=self.bounds),
            Edge(core.name, output.name, Dense(n_out, n), gain=self.gain, bounds=self.bounds),
        ]
        return Wiring((*sources, core, output), tuple(edges))
