"""A chain of layers that act on each other in both directions."""

from collections.abc import Mapping
from itertools import pairwise

from metaplast.networks.base import AbstractNetwork
from metaplast.networks.feedforward import Feedforward
from metaplast.neurons.leaky import Leaky
from metaplast.neurons.linear import Linear
from metaplast.neurons.tanh import Tanh
from metaplast.registry import register
from metaplast.spec import Count, NonNegative, spec
from metaplast.wiring import Edge, NeuronField, Wiring


@register("network", "bidirectional")
@spec
class Bidirectional(AbstractNetwork):
    """input(s) -> hidden_1 <-> ... <-> hidden_L <-> output.

    The populations and forward edges are those of `feedforward`. The backward edges
    `back_to_hidden_1`, ... lead from every layer to the one below, but not to the inputs. They
    transmit one step later. The pattern `[!b]*` names all forward edges. A life lets the network
    settle by `settle` above 1; genome `twins` ties the backward weights to the forward ones at
    birth.

    Args:
        hidden: the sizes of the hidden layers.
        source: the neurons of the inputs.
        neuron: the neurons of the hidden layers.
        output: the neurons of the output.
        gain: standard deviation of an initial weight times sqrt(fan-in).
        bounds: lower and upper bound of the weights.
        bias: whether a constant unit `one` has an edge to every layer.

    Source: Hopfield 1984; with layers, Scellier & Bengio 2017.
    """

    hidden: tuple[Count, ...] = (40,)
    source: NeuronField = Linear()
    neuron: NeuronField = Leaky(5e-3, Tanh())
    output: NeuronField = Leaky(5e-3, Linear())
    gain: NonNegative = 0.5
    bounds: tuple[float, float] = (-10.0, 10.0)
    bias: bool = False

    def wiring(self, inputs: Mapping[str, int], n_out: int) -> Wiring:
        forward = Feedforward(
            hidden=self.hidden,
            source=self.source,
            neuron=self.neuron,
            output=self.output,
            gain=self.gain,
            bounds=self.bounds,
            bias=self.bias,
        )
        chain = forward.wiring(inputs, n_out)
        layers = [p for p in chain.populations if chain.into(p.name)]
        edges = list(chain.edges)
        for below, above in pairwise(layers):
            connection = forward.connection.sized(below.n, above.n)
            label = f"back_to_{below.name}"
            edges.append(
                Edge(
                    above.name,
                    below.name,
                    connection,
                    gain=self.gain,
                    bounds=self.bounds,
                    label=label,
                )
            )
        return Wiring(chain.populations, tuple(edges))
