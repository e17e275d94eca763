"""A chain of layers."""

from collections.abc import Mapping
from itertools import pairwise

from metaplast.connections.dense import Dense
from metaplast.networks.base import AbstractNetwork
from metaplast.neurons.constant import Constant
from metaplast.neurons.linear import Linear
from metaplast.neurons.softplus import Softplus
from metaplast.registry import register
from metaplast.spec import Count, NonNegative, spec
from metaplast.transmission.instant import Instant
from metaplast.wiring import (
    ConnectionField,
    Edge,
    NeuronField,
    Population,
    TransmissionField,
    Wiring,
)


@register("network", "feedforward")
@spec
class Feedforward(AbstractNetwork):
    """input(s) -> hidden_1 -> ... -> hidden_L -> output, each layer driven by the one before.

    The populations are the task's inputs, `hidden_1` ..., `output`. The edges are
    `input_to_hidden_1`, ..., all plastic.

    Args:
        hidden: the sizes of the hidden layers; without any the network is a linear readout.
        source: the neurons of the inputs (`poisson`: the task shows rates; `spikes`: it shows
            spikes).
        neuron: the neurons of the hidden layers.
        output: the neurons of the output.
        connection: the layout of every edge.
        transmission: the transmission of every edge.
        gain: standard deviation of an initial weight times sqrt(fan-in).
        bounds: lower and upper bound of the weights.
        bias: whether a constant unit `one` has an edge to every layer.

    Source: elementary.
    """

    hidden: tuple[Count, ...] = (40,)
    source: NeuronField = Linear()
    neuron: NeuronField = Softplus()
    output: NeuronField = Linear()
    connection: ConnectionField = Dense()
    transmission: TransmissionField = Instant()
    gain: NonNegative = 1.0
    bounds: tuple[float, float] = (-10.0, 10.0)
    bias: bool = False

    def wiring(self, inputs: Mapping[str, int], n_out: int) -> Wiring:
        layers = []
        for i, n in enumerate(self.hidden, 1):
            layers.append(Population(f"hidden_{i}", n, self.neuron))
        layers.append(Population("output", n_out, self.output))
        sources = [Population(name, n, self.source) for name, n in inputs.items()]
        edges = [self._edge(source, layers[0]) for source in sources]
        for pre, post in pairwise(layers):
            edges.append(self._edge(pre, post))
        if self.bias:
            one = Population("one", 1, Constant())
            sources.append(one)
            for layer in layers:
                edges.append(self._edge(one, layer))
        return Wiring((*sources, *layers), tuple(edges))

    def _edge(self, pre: Population, post: Population) -> Edge:
        connection = self.connection.sized(post.n, pre.n)
        return Edge(
            pre.name, post.name, connection, self.transmission, gain=self.gain, bounds=self.bounds
        )
