"""The whole graph: populations, the edges between them, and the order of transmission."""

from typing import Annotated, Literal

from metaplast.connections.base import AbstractConnection
from metaplast.connections.dense import Dense
from metaplast.neurons.base import AbstractNeuron
from metaplast.neurons.linear import Linear
from metaplast.registry import BadInput
from metaplast.spec import Count, NonNegative, Positive, plugin, spec
from metaplast.transmission.base import AbstractTransmission
from metaplast.transmission.instant import Instant

NeuronField = Annotated[AbstractNeuron, plugin("neuron")]
ConnectionField = Annotated[AbstractConnection, plugin("connection")]
TransmissionField = Annotated[AbstractTransmission, plugin("transmission")]
ACTIVITY = "activity"
"""The field of a NeuronView that an edge sends unless it says otherwise."""


@spec
class Population:
    """A group of neurons that are updated at once.

    Args:
        name: the name of the population.
        n: the number of its neurons.
        neuron: their dynamics.
        sign: +1 or -1: Dale's law holds, and the weights that leave the population are magnitudes.
            0: weights are free.
    """

    name: str = "input"
    n: Count = 1
    neuron: NeuronField = Linear()
    sign: Literal[-1, 0, 1] = 0


@spec
class Edge:
    """Synapses from one population to another.

    Args:
        pre: the name of the presynaptic population.
        post: the name of the postsynaptic population.
        connection: the layout of the synapses.
        transmission: the way from a presynaptic output to the transmitted signal.
        port: the port of the postsynaptic neuron at which the edge ends.
        plastic: whether a rule may change the weights.
        gain: standard deviation of an initial weight times sqrt(fan-in).
        bounds: lower and upper bound; the weights never leave them.
        label: the name of the edge; `pre_to_post` where it is empty.
        sends: the field of the presynaptic view that the edge transmits; at its synapses it is what
            a rule reads as `pre`. Only `activity` returns credit.
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
    sends: str = ACTIVITY

    @property
    def name(self) -> str:
        """The name of the edge: its label, or `pre_to_post`."""
        return self.label or f"{self.pre}_to_{self.post}"

    @property
    def source(self) -> str:
        """The name of the signal that enters the edge: the population, or `population.field`."""
        return self.pre if self.sends == ACTIVITY else f"{self.pre}.{self.sends}"


@spec
class Presentation:
    """What a step of an event-driven network is: every input neuron sends one spike.

        t = latest (1 - x)

    t: seconds from the beginning of the step; at least 0. Beyond the step there is no spike.
    x: activity of the input neuron.

    Args:
        latest: t where x = 0, in seconds.
        max_events: the most spikes of one step, of inputs and of cells. Steps with so many are
            counted, because later spikes may be missing.
    """

    latest: Positive = 20e-3
    max_events: Count = 128


@spec
class Wiring:
    """A graph: populations in the order of their update, and the edges between them.

    The same wiring runs rate or spiking neurons. An edge whose `pre` stands before its `post`
    transmits the output of this step. Any other edge transmits the output of the last step.

    Args:
        populations: in the order of their update; the last is the output.
        edges: the edges between them.
        events: where the network runs from spike to spike (network `event_driven`), what a step is;
            else a step updates every population once.

    Raises:
        BadInput: for names that clash or do not exist, sizes that differ, an unknown port, a signal
            that the presynaptic neuron does not offer, empty bounds, or bounds without 0 on a
            connection with a mask.
    """

    populations: tuple[Population, ...] = ()
    edges: tuple[Edge, ...] = ()
    events: Presentation | None = None

    def __post_init__(self) -> None:
        order = self._order()
        _distinct("population", order)
        _distinct("edge", [e.name for e in self.edges])
        for edge in self.edges:
            self._check(edge, order)

    def _order(self) -> list[str]:
        """The names of the populations."""
        return [p.name for p in self.populations]

    def _check(self, edge: Edge, order: list[str]) -> None:
        """Refuse an edge that does not fit the populations, whose names are `order`."""
        for end in (edge.pre, edge.post):
            if end not in order:
                what = f"edge {edge.name}: population {end!r}"
                raise BadInput(what, f"one of {', '.join(order)}", "correct the edge")
        sizes = (self.population(edge.post).n, self.population(edge.pre).n)
        connection_sizes = (edge.connection.n_post, edge.connection.n_pre)
        if sizes != connection_sizes:
            what = f"edge {edge.name}: connection {connection_sizes}"
            raise BadInput(what, f"(n_post, n_pre) = {sizes}", "correct the sizes")
        ports = self.population(edge.post).neuron.ports
        if edge.port not in ports:
            what = f"edge {edge.name}: port {edge.port!r}"
            raise BadInput(what, f"one of {', '.join(ports)}", "correct the port")
        signals = self.population(edge.pre).neuron.offers
        if edge.sends not in signals:
            what = f"edge {edge.name}: sends {edge.sends!r}"
            expected = f"a signal on offer at {edge.pre}: {', '.join(sorted(signals))}"
            raise BadInput(what, expected, "correct sends, or take another presynaptic neuron")
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
        """The population of this name."""
        return next(p for p in self.populations if p.name == name)

    def into(self, name: str) -> tuple[Edge, ...]:
        """The edges that end at the population of this name."""
        return tuple(e for e in self.edges if e.post == name)

    def bounds(self, edge: Edge) -> tuple[float, float]:
        """The lower and upper bound of the weights of an edge; a magnitude is never negative."""
        low, high = edge.bounds
        if self.magnitude(edge):
            low = max(0.0, low)
        return low, high

    def magnitude(self, edge: Edge) -> bool:
        """Whether the weights of an edge are magnitudes.

        They are under Dale's law, and at a port that is not signed.
        """
        if self.population(edge.pre).sign != 0:
            return True
        return edge.port not in self.population(edge.post).neuron.signed

    def sign(self, edge: Edge) -> float:
        """The factor that a soma applies to the signals that arrive over an edge."""
        sign = self.population(edge.pre).sign
        if sign == 0 or edge.port != "soma":
            return 1.0
        return float(sign)

    def effect(self, edge: Edge) -> float:
        """The sign with which an edge acts on the postsynaptic potential; credit returns with it.

        A conductance acts towards its reversal potential. Its sign is the one that it has near the
        threshold (`AbstractNeuron.lowering`).
        """
        lowers = edge.port in self.population(edge.post).neuron.lowering
        if lowers:
            return -self.sign(edge)
        return self.sign(edge)

    def spiking(self, edge: Edge) -> frozenset[str]:
        """The sides of an edge, of `pre` and `post`, whose signal is spikes: 0 at most neurons.

        The signal of the side `pre` is the transmitted one.
        """
        sides = set()
        sends_spikes = self.spikes(self.population(edge.pre)) and edge.sends == ACTIVITY
        if sends_spikes and edge.transmission.keeps_silence:
            sides.add("pre")
        if self.spikes(self.population(edge.post)):
            sides.add("post")
        return frozenset(sides)

    def spikes(self, population: Population) -> bool:
        """Whether the activity of a population is spikes: 0 but for single steps.

        In an event-driven network it tells the first spike of a step, and is no spike itself.
        """
        return population.neuron.spiking and self.events is None

    def backwards(self, edge: Edge) -> bool:
        """Whether the edge transmits the output of the last step."""
        order = self._order()
        return order.index(edge.pre) >= order.index(edge.post)

    def returns(self, edge: Edge) -> bool:
        """Whether credit returns over the edge: it transmits the activity of this step."""
        return edge.sends == ACTIVITY and not self.backwards(edge)

    def distances(self, start: str) -> dict[str, int]:
        """The least number of edges from one population to each that its activity reaches.

        Args:
            start: the name of the population; its own distance is 0.
        """
        distances = {start: 0}
        waiting = [start]
        while waiting:
            name = waiting.pop(0)
            for edge in self.edges:
                if edge.pre == name and edge.post not in distances:
                    distances[edge.post] = distances[name] + 1
                    waiting.append(edge.post)
        return distances

    @property
    def output(self) -> Population:
        """The output population."""
        return self.populations[-1]


def _distinct(kind: str, names: list[str]) -> None:
    """Raises: BadInput where a name stands twice."""
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        what = f"{kind} {twice[0]!r} stands twice"
        raise BadInput(what, f"distinct {kind} names", "rename or label one")
