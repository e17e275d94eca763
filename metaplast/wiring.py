"""The whole graph: populations, the edges between them, and who transmits what when."""

from typing import Annotated, Literal

from metaplast.connections.base import AbstractConnection
from metaplast.connections.dense import Dense
from metaplast.neurons.base import AbstractNeuron
from metaplast.neurons.linear import Linear
from metaplast.registry import BadInput
from metaplast.spec import Count, NonNegative, plugin, spec
from metaplast.transmission.base import AbstractTransmission
from metaplast.transmission.instant import Instant

NeuronField = Annotated[AbstractNeuron, plugin("neuron")]
ConnectionField = Annotated[AbstractConnection, plugin("connection")]
TransmissionField = Annotated[AbstractTransmission, plugin("transmission")]


@spec
class Population:
    """A group of `n` equal neurons. sign +1 or -1: Dale's law holds, weights leaving it are
    magnitudes; 0: free.
    """

    name: str = "input"
    n: Count = 1
    neuron: NeuronField = Linear()
    sign: Literal[-1, 0, 1] = 0


@spec
class Edge:
    """Synapses from population `pre` to population `post`, named `pre_to_post` unless labelled.

    gain: standard deviation of an initial weight times sqrt(fan-in); bounds: the weights never
    leave them.
    """

    pre: str = "input"
    post: str = "output"
    connection: ConnectionField = Dense()
    transmission: TransmissionField = Instant()
    port: str = "soma"
    plastic: bool = True
    gain: NonNegative = 1.0
    bounds: tuple[float, float] = (-10.0, 10.0)
    label: str = ""

    @property
    def name(self) -> str:
        return self.label or f"{self.pre}_to_{self.post}"


@spec
class Wiring:
    """A graph: populations in update order, edges between them. The same wiring runs rate or
    spiking neurons.

    An edge whose `pre` stands before its `post` transmits this step's output, any other the last
    step's.
    Raises: BadInput for names that clash or do not exist, sizes that differ, an unknown port, empty
    bounds, or bounds without 0 on a connection with a mask.
    """

    populations: tuple[Population, ...] = ()
    edges: tuple[Edge, ...] = ()

    def __post_init__(self) -> None:
        order = [p.name for p in self.populations]
        _distinct("population", order)
        _distinct("edge", [e.name for e in self.edges])
        for edge in self.edges:
            self._check(edge, order)

    def _check(self, edge: Edge, order: list[str]) -> None:
        for end in (edge.pre, edge.post):
            if end not in order:
                raise BadInput(
                    f"edge {edge.name}: population {end!r}",
                    f"one of {', '.join(order)}",
                    "correct the edge",
                )
        sizes = (self.population(edge.post).n, self.population(edge.pre).n)
        given = (edge.connection.n_post, edge.connection.n_pre)
        if sizes != given:
            raise BadInput(
                f"edge {edge.name}: connection {given}",
                f"(n_post, n_pre) = {sizes}",
                "correct the sizes",
            )
        ports = self.population(edge.post).neuron.ports
        if edge.port not in ports:
            raise BadInput(
                f"edge {edge.name}: port {edge.port!r}",
                f"one of {', '.join(ports)}",
                "correct the port",
            )
        if not edge.bounds[0] < edge.bounds[1]:
            raise BadInput(f"edge {edge.name}: bounds {edge.bounds}", "lower < upper", "swap them")
        low, high = self.bounds(edge)
        if not low <= 0.0 <= high and edge.connection.mask().ndim:
            raise BadInput(
                f"edge {edge.name}: bounds {(low, high)} on a masked connection",
                "bounds that contain 0, the weight of a synapse that does not exist",
                "widen the bounds, or take a sparse connection",
            )

    def population(self, name: str) -> Population:
        return next(p for p in self.populations if p.name == name)

    def into(self, name: str) -> tuple[Edge, ...]:
        return tuple(e for e in self.edges if e.post == name)

    def bounds(self, edge: Edge) -> tuple[float, float]:
        """The bounds of an edge; a magnitude (Dale's law, or a port that is not signed) is never
        negative.
        """
        low, high = edge.bounds
        return (max(0.0, low), high) if self.magnitude(edge) else (low, high)

    def magnitude(self, edge: Edge) -> bool:
        return (
            self.population(edge.pre).sign != 0
            or edge.port not in self.population(edge.post).neuron.signed
        )

    def sign(self, edge: Edge) -> float:
        """The factor that a soma applies to what arrives over this edge."""
        sign = self.population(edge.pre).sign
        return float(sign) if sign and edge.port == "soma" else 1.0

    def effect(self, edge: Edge) -> float:
        """The sign with which what arrives over this edge acts on the postsynaptic potential;
        credit returns with it.

        A conductance acts towards its reversal potential: it counts as seen from the threshold
        (neuron.lowering).
        """
        lowers = edge.port in self.population(edge.post).neuron.lowering
        return -self.sign(edge) if lowers else self.sign(edge)

    def spiking(self, edge: Edge) -> frozenset[str]:
        """The sides of an edge, of `pre` (what it transmits) and `post`, whose signal is spikes: 0
        at most neurons.
        """
        pre = self.population(edge.pre).neuron.spiking and edge.transmission.keeps_silence
        sides = {"pre": pre, "post": self.population(edge.post).neuron.spiking}
        return frozenset(side for side, spikes in sides.items() if spikes)

    def backwards(self, edge: Edge) -> bool:
        """Whether the edge transmits the last step's output."""
        order = [p.name for p in self.populations]
        return order.index(edge.pre) >= order.index(edge.post)

    @property
    def output(self) -> Population:
        return self.populations[-1]


def _distinct(kind: str, given: list[str]) -> None:
    twice = sorted({name for name in given if given.count(name) > 1})
    if twice:
        raise BadInput(
            f"{kind} {twice[0]!r} stands twice", f"distinct {kind} names", "rename or label one"
        )
