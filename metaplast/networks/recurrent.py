"""One recurrent layer, under a readout or alone."""

import dataclasses
import math
from collections.abc import Mapping

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

    Populations: the task's inputs, `recurrent`, `output`; edges `input_to_recurrent`,
    `recurrent_to_recurrent`, `recurrent_to_output`. `connection` and `transmission` are those of
    the recurrent edge(s);
    `source`: of the inputs.
    dale: the layer is two populations, `inhibitory` (sign -1) and `excitatory` (+1, the share
    `excitatory_share` of the n_recurrent cells, rounded), each driven by the input(s) and by both;
    `excitatory_to_output` alone reads it out. Weights that leave the two are magnitudes |N(0, g^2 /
    fan-in)|, of mean g sqrt(2 / (pi fan-in)).
    Balance at birth: onto either population g = recurrent_gain for the excitatory edge,
    recurrent_gain sqrt(fan-in_E / fan-in_I) for the inhibitory one, so that at equal mean activity
    the mean inhibition of a cell equals its mean excitation.
    `inhibitory` comes first in a step: inhibition by this step's input is fast, all else one step
    late, and credit reaches the inhibitory cells through the excitatory ones. Dale's law means what
    it says where activities are >= 0.
    readout=false: the layer is the output itself, of the task's size (n_recurrent is not read):
    input(s) -> output, `output_to_output` one step later. So are recorded cells that excite each
    other, where nothing else was recorded.
    Raises: BadInput where dale leaves one of the two populations empty, or where it has no readout.
    """

    n_recurrent: Count = 40
    source: NeuronField = Linear()
    neuron: NeuronField = Tanh()
    output: NeuronField = Linear()
    connection: ConnectionField = Dense()
    transmission: TransmissionField = Instant()
    gain: NonNegative = 1.0
    recurrent_gain: NonNegative = 1.0
    bounds: tuple[float, float] = (-10.0, 10.0)
    dale: bool = False
    excitatory_share: Probability = 0.8
    readout: bool = True

    def __post_init__(self) -> None:
        if self.dale and not self.readout:
            expected = "one population, the output"
            raise BadInput("dale=true with readout=false", expected, "leave dale or readout out")
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
            return Wiring(
                (*sources, cells),
                (*(self._through(s, cells) for s in sources), self._loop(cells, cells)),
            )
        layer, loops = self._dale() if self.dale else self._plain()
        output = Population("output", n_out, self.output)
        edges = [self._through(source, cells) for source in sources for cells in layer]
        edges += [*loops, self._through(layer[-1], output)]
        return Wiring((*sources, *layer, output), tuple(edges))

    def _n_excitatory(self) -> int:
        return round(self.n_recurrent * self.excitatory_share)

    def _plain(self) -> tuple[list[Population], list[Edge]]:
        cells = Population("recurrent", self.n_recurrent, self.neuron)
        return [cells], [self._loop(cells, cells)]

    def _dale(self) -> tuple[list[Population], list[Edge]]:
        n = self._n_excitatory()
        inhibitory = Population("inhibitory", self.n_recurrent - n, self.neuron, sign=-1)
        excitatory = Population("excitatory", n, self.neuron, sign=1)
        loops = []
        for post in (inhibitory, excitatory):
            excites, inhibits = self._loop(excitatory, post), self._loop(inhibitory, post)
            balance = math.sqrt(excites.connection.fan_in / inhibits.connection.fan_in)
            loops += [excites, dataclasses.replace(inhibits, gain=self.recurrent_gain * balance)]
        return [inhibitory, excitatory], loops

    def _through(self, pre: Population, post: Population) -> Edge:
        return Edge(pre.name, post.name, Dense(post.n, pre.n), gain=self.gain, bounds=self.bounds)

    def _loop(self, pre: Population, post: Population) -> Edge:
        connection = self.connection.sized(post.n, pre.n, loop=pre == post)
        return Edge(
            pre.name,
            post.name,
            connection,
            self.transmission,
            gain=self.recurrent_gain,
            bounds=self.bounds,
        )
