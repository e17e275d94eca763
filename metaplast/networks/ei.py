"""Excitatory and inhibitory cells that meet all."""

from collections.abc import Mapping

from metaplast.connections.dense import Dense
from metaplast.connections.sparse import Sparse
from metaplast.networks.base import AbstractNetwork
from metaplast.neurons.conductance_lif import ConductanceLif
from metaplast.neurons.poisson import Poisson
from metaplast.neurons.refractory import Refractory
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

INSTANT = Instant()
CELL = Refractory(
    ConductanceLif(e_excitatory=6.0, e_inhibitory=-2.0, tau_excitatory=5e-3, tau_inhibitory=10e-3),
    5e-3,
)


@register("network", "ei")
@spec
class Ei(AbstractNetwork):
    """Populations `e` (excitatory) and `i` (inhibitory) that reach each other and themselves.

        input(s) -> e, i;
        e -> e, i, output;
        i -> e, i

    Edges: input_to_i, input_to_e, e_to_i, i_to_i, e_to_e, i_to_e, e_to_output. An edge learns by
    the rule whose slot names it (`rules.inhibition.edges=i_to_e`). It is static where none does.

    Timing: i comes before e in a step. The edge i_to_e arrives in the same step; e_to_i, e_to_e and
    i_to_i arrive one step later.

    Dale's law: weights that leave e or i are magnitudes. Their edges end at the ports `excitatory`
    and `inhibitory` of a cell that has these ports, and the edges of inputs end at `excitatory`. In
    any other cell they end at the soma, inhibition with a negative sign.

    Initial weights from e and i are |N(0, g^2 / fan-in)|, with g = excitation_gain from e and
    inhibition_gain from i. Initial weights of inputs have g = gain.

    Args:
        n_e: the number of excitatory cells.
        n_i: the number of inhibitory cells.
        source: the neurons of the inputs (`poisson`: the task shows hertz; `spikes`: it shows
            spikes; `linear`).
        neuron: the neurons of e.
        interneuron: the neurons of i.
        connection: the layout of the four edges among e and i, each with a random graph of its own;
            inputs are all-to-all.
        transmission: the transmission of these four edges; it may delay them.
        gain: g of the inputs, and of the edge to the output.
        excitation_gain: g of the edges that leave e, within the network.
        inhibition_gain: g of the edges that leave i.
        bounds: lower and upper bound of the weights.
        readout: false: e is the output itself, of the task's size (n_e is not read).

    Defaults: the cells are those of Vogels et al. 2011 in units of threshold minus rest (10 mV) and
    of the leak (10 nS). The gains give 25 to 70 Hz under 40 inputs of about 20 Hz.
    Source: after Vogels, Sprekeler, Zenke, Clopath & Gerstner 2011.
    """

    n_e: Count = 80
    n_i: Count = 20
    source: NeuronField = Poisson()
    neuron: NeuronField = CELL
    interneuron: NeuronField = CELL
    connection: ConnectionField = Sparse(probability=0.2, self_connections=False)
    transmission: TransmissionField = INSTANT
    gain: NonNegative = 0.5
    excitation_gain: NonNegative = 0.1
    inhibition_gain: NonNegative = 0.3
    bounds: tuple[float, float] = (-10.0, 10.0)
    readout: bool = True

    def wiring(self, inputs: Mapping[str, int], n_out: int) -> Wiring:
        sources = [Population(name, n, self.source) for name, n in inputs.items()]
        i = Population("i", self.n_i, self.interneuron, sign=-1)
        n_e = n_out
        if self.readout:
            n_e = self.n_e
        e = Population("e", n_e, self.neuron, sign=1)
        edges = []
        for post in (i, e):
            for source in sources:
                edges.append(self._edge(source, post, Dense(post.n, source.n), self.gain))
        for index, (pre, post) in enumerate(((e, i), (i, i), (e, e), (i, e))):
            gain = self.excitation_gain if pre == e else self.inhibition_gain
            connection = self.connection.sized(post.n, pre.n, index, loop=pre == post)
            edges.append(self._edge(pre, post, connection, gain, self.transmission))
        populations = [*sources, i, e]
        if self.readout:
            output = Population("output", n_out)
            populations.append(output)
            edges.append(self._edge(e, output, Dense(n_out, e.n), self.gain))
        return Wiring(tuple(populations), tuple(edges))

    def _edge(
        self,
        pre: Population,
        post: Population,
        connection: ConnectionField,
        gain: float,
        transmission: TransmissionField = INSTANT,
    ) -> Edge:
        port = "inhibitory" if pre.sign < 0 else "excitatory"
        if port not in post.neuron.ports:
            port = "soma"
        return Edge(
            pre.name, post.name, connection, transmission, port, gain=gain, bounds=self.bounds
        )
