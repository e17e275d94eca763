"""Cells that inhibit each other."""

from collections.abc import Mapping

from metaplast.connections.dense import Dense
from metaplast.networks.base import AbstractNetwork
from metaplast.neurons.lif import Lif
from metaplast.neurons.spikes import Spikes
from metaplast.registry import register
from metaplast.spec import NonNegative, Positive, spec
from metaplast.wiring import Edge, NeuronField, Population, Wiring


@register("network", "competing")
@spec
class Competing(AbstractNetwork):
    """input(s) -> output, whose cells excite nothing and inhibit each other and themselves.

    The populations are the task's inputs and `output`. The edges are `input_to_output` and
    `output_to_output`, which transmits one step later. A cell that fires first keeps the others
    from firing.

    Dale's law: all weights are magnitudes. Inputs excite, and the cells of the output inhibit.
    Initial weights are |N(0, g^2 / fan-in)|, with g = gain from the inputs and inhibition_gain
    among the cells.

    Args:
        source: the neurons of the inputs (`poisson`: the task shows hertz; `spikes`: it shows
            spikes).
        neuron: the neurons of the output.
        gain: g of the inputs.
        inhibition_gain: g among the cells.
        w_max: upper bound of the weights of the inputs; their lower bound is 0.

    Source: elementary; with spike-timing rules, Masquelier, Guyonneau & Thorpe 2009.
    """

    source: NeuronField = Spikes()
    neuron: NeuronField = Lif()
    gain: NonNegative = 1.0
    inhibition_gain: NonNegative = 1.0
    w_max: Positive = 1.0

    def wiring(self, inputs: Mapping[str, int], n_out: int) -> Wiring:
        cells = Population("output", n_out, self.neuron, sign=-1)
        populations = []
        edges = []
        for name, n in inputs.items():
            populations.append(Population(name, n, self.source, sign=1))
            connection = Dense(n_out, n)
            bounds = (0.0, self.w_max)
            edges.append(Edge(name, cells.name, connection, gain=self.gain, bounds=bounds))
        lateral = Dense(n_out, n_out)
        edges.append(Edge(cells.name, cells.name, lateral, gain=self.inhibition_gain))
        return Wiring((*populations, cells), tuple(edges))
