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
    """input(s) -> `e` (excitatory), `i` (inhibitory), which reach each other and themselves; e ->
    `output`.

    Edges input_to_i, input_to_e, e_to_i, i_to_i, e_to_e, i_to_e, e_to_output: each learns by the
    rule whose slot names it (`rules.inhibition.edges=i_to_e`) and is static where none does. In a
    step, i comes before e: what e sends, and i onto itself, arrives one step later, i onto e in the
    same step; `transmission` (of these four) may delay them. Dale's law: weights that leave e or i
    are magnitudes. They end at the ports `excitatory` and `inhibitory` of a cell that has these,
    and inputs at the first; in any other cell at the soma, inhibition with a negative sign. Initial
    weights are |N(0, g^2 / fan-in)|, g: gain (inputs), excitation_gain (from e), inhibition_gain
    (from i).
    connection: of the four edges, each with a random graph of its own; inputs are all-to-all.
    source, neuron, interneuron: of the inputs (`poisson`: the task shows hertz; `spikes`: spikes;
    `linear`), e and i.
    readout=false: e is the output itself, of the task's size (n_e is not read).
    Default cells: Vogels et al. 2011 in units of threshold minus rest (10 mV) and of the leak (10
    nS); the default gains give 25 to 70 Hz under 40 inputs of about 20 Hz.
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
        e = Population("e", self.n_e if self.readout else n_out, self.neuron, sign=1)
        cells = ((e, i, self.excitation_gain), (i, i, self.inhibition_gain))
        cells += ((e, e, self.excitation_gain), (i, e, self.inhibition_gain))
        edges = [
            self._edge(source, post, Dense(post.n, source.n), self.gain)
            for post in (i, e)
            for source in sources
        ]
        for index, (pre, post, gain) in enumerate(cells):
            connection = self.connection.sized(post.n, pre.n, index, loop=pre == post)
            edges.append(self._edge(pre, post, connection, gain, self.transmission))
        if not self.readout:
            return Wiring((*sources, i, e), tuple(edges))
        output = Population("output", n_out)
        return Wiring(
            (*sources, i, e, output), (*edges, self._edge(e, output, Dense(n_out, e.n), self.gain))
        )

    def _edge(
        self,
        pre: Population,
        post: Population,
        connection: ConnectionField,
        gain: float,
        transmission: TransmissionField = INSTANT,
    ) -> Edge:
        own = "inhibitory" if pre.sign < 0 else "excitatory"
        port = own if own in post.neuron.ports else "soma"
        return Edge(
            pre.name, post.name, connection, transmission, port, gain=gain, bounds=self.bounds
        )
