"""One recurrent layer, under a readout or alone."""

import math
from collections.abc import Mapping
from dataclasses import replace

from metaplast.connections.dense import Dense
from metaplast.networks.base import AbstractNetwork
from metaplast.neurons.linear import Linear
from metaplast.neurons.tanh import Tanh
from metaplast.registry import BadInput, register
from metaplast.spec import Count, NonNegative, Probability, spec
from metaplast.transmission.instant import Instant
from metaplast.wiring import (
    ConnectionField,
    Edge,
    NeuronField,
    Population,
    TransmissionField,
    Wiring,
)


@register("network", "recurrent")
@spec
class Recurrent(AbstractNetwork):
    """input(s) -> recurrent (also onto itself, one step later) -> output.

    The populations are the task's inputs, `recurrent` and `output`. The edges are
    `input_to_recurrent`, `recurrent_to_recurrent` and `recurrent_to_output`.

    With `dale` the layer is two populations, `inhibitory` (sign -1) and `excitatory` (sign +1).
    Each is driven by the input(s) and by both. `excitatory_to_output` alone reads the layer out.
    Weights that leave the two are magnitudes |N(0, g^2 / fan-in)|, of mean g sqrt(2 / (pi fan-in)).
    Onto either population g is recurrent_gain for the excitatory edge, and recurrent_gain
    sqrt(fan-in_E / fan-in_I) for the inhibitory one. At birth the layer is so balanced: at equal
    mean activity the mean inhibition of a cell equals its mean excitation. `inhibitory` comes first
    in a step: inhibition by this step's input is fast, and all else is one step late. Credit
    reaches the inhibitory cells through the excitatory ones. Where activities are >= 0, Dale's law
    holds for the signals, and not only for the weights.

    With `return_gain` above 0 the output acts back on the layer, one step later, over one more edge
    onto each of its populations, `output_to_recurrent`. The output has a sign of its own there.

    Without `readout` the layer is the output itself: input(s) -> output, and `output_to_output` one
    step later. Recorded cells that excite each other, where nothing else was recorded, are such a
    network.

    Args:
        n_recurrent: the number of cells in the layer.
        source: the neurons of the inputs.
        neuron: the neurons of the layer.
        output: the neurons of the output.
        connection: the layout of the recurrent edge(s).
        transmission: the transmission of the recurrent edge(s).
        gain: standard deviation of an initial weight times sqrt(fan-in), of all other edges.
        recurrent_gain: the same of the recurrent edge(s).
        return_gain: the same of the edge(s) from the output to the layer; 0: there is none.
        bounds: lower and upper bound of the weights.
        dale: whether Dale's law holds in the layer.
        excitatory_share: the share of excitatory cells under `dale`, rounded to whole cells.
        readout: false: the layer is the output, of the task's size (n_recurrent is not read).

    Raises:
        BadInput: where `dale` leaves one of the two populations empty, and where `dale` or
            `return_gain` has no readout.

    Source: elementary.
    """

    n_recurrent: Count = 40
    source: NeuronField = Linear()
    neuron: NeuronField = Tanh()
    output: NeuronField = Linear()
    connection: ConnectionField = Dense()
    transmission: TransmissionField = Instant()
    gain: NonNegative = 1.0
    recurrent_gain: NonNegative = 1.0
    return_gain: NonNegative = 0.0
    bounds: tuple[float, float] = (-10.0, 10.0)
    dale: bool = False
    excitatory_share: Probability = 0.8
    readout: bool = True

    def __post_init__(self) -> None:
        if self.dale and not self.readout:
            expected = "one population, the output"
            raise BadInput("dale=true with readout=false", expected, "leave dale or readout out")
        if self.return_gain and not self.readout:
            what = f"return_gain={self.return_gain} with readout=false"
            raise BadInput(what, "an output beside the layer", "leave return_gain or readout out")
        if self.dale and not 0 < self._n_excitatory() < self.n_recurrent:
            raise BadInput(
                f"excitatory_share={self.excitatory_share} of {self.n_recurrent} cells",
                "at least one excitatory and one inhibitory cell",
                "change excitatory_share or n_recurrent",
            )

    def wiring(self, inputs: Mapping[str, int], n_out: int) -> Wiring:
        sources = [Population(name, size, self.source) for name, size in inputs.items()]
        if not self.readout:
            cells = Population("output", n_out, self.neuron)
            edges = [self._forward(source, cells) for source in sources]
            edges.append(self._recurrent(cells, cells))
            return Wiring((*sources, cells), tuple(edges))
        layer = self._dale() if self.dale else self._plain()
        output = Population("output", n_out, self.output)
        edges = []
        for source in sources:
            for cells in layer.populations:
                edges.append(self._forward(source, cells))
        edges += layer.edges
        edges.append(self._forward(layer.populations[-1], output))
        if self.return_gain:
            for cells in layer.populations:
                edges.append(replace(self._forward(output, cells), gain=self.return_gain))
        return Wiring((*sources, *layer.populations, output), tuple(edges))

    def _n_excitatory(self) -> int:
        return round(self.n_recurrent * self.excitatory_share)

    def _plain(self) -> Wiring:
        """The layer of one population."""
        cells = Population("recurrent", self.n_recurrent, self.neuron)
        return Wiring((cells,), (self._recurrent(cells, cells),))

    def _dale(self) -> Wiring:
        """The layer of an inhibitory and an excitatory population, balanced at birth."""
        n = self._n_excitatory()
        inhibitory = Population("inhibitory", self.n_recurrent - n, self.neuron, sign=-1)
        excitatory = Population("excitatory", n, self.neuron, sign=1)
        edges = []
        for post in (inhibitory, excitatory):
            excitation = self._recurrent(excitatory, post)
            inhibition = self._recurrent(inhibitory, post)
            balance = math.sqrt(excitation.connection.fan_in / inhibition.connection.fan_in)
            edges.append(excitation)
            edges.append(replace(inhibition, gain=self.recurrent_gain * balance))
        return Wiring((inhibitory, excitatory), tuple(edges))

    def _forward(self, pre: Population, post: Population) -> Edge:
        return Edge(pre.name, post.name, Dense(post.n, pre.n), gain=self.gain, bounds=self.bounds)

    def _recurrent(self, pre: Population, post: Population) -> Edge:
        connection = self.connection.sized(post.n, pre.n, loop=pre == post)
        return Edge(
            pre.name,
            post.name,
            connection,
            self.transmission,
            gain=self.recurrent_gain,
            bounds=self.bounds,
        )
