"""One population that completes its own patterns."""

from collections.abc import Mapping

from metaplast.connections.dense import Dense
from metaplast.networks.base import AbstractNetwork
from metaplast.neurons.tanh import Tanh
from metaplast.registry import BadInput, register
from metaplast.spec import NonNegative, spec
from metaplast.wiring import ConnectionField, Edge, NeuronField, Population, Wiring


@register("network", "autoassociative")
@spec
class Autoassociative(AbstractNetwork):
    """One population is input and output at once.

        y(t) = f(stimulus(t) + W y(t - 1))

    y [n_out]: output of the population.
    stimulus [n_out]: the drive that the task shows.
    W [n_out, n_out]: weights of the population onto itself.

    The population bears the name of the task's only input population. Its one edge is plastic
    (`input_to_input`). The task's error arrives at the population and is carried no further, since
    the edge runs back in time.

    Args:
        neuron: the dynamics, with the activation function f.
        connection: the layout of the edge; it may leave out self-connections.
        gain: standard deviation of an initial weight times sqrt(fan-in).
        bounds: lower and upper bound of the weights.

    Raises:
        BadInput: unless the task has one input population, of the size of its output.

    Source: Hopfield 1982, with the last step's output where he updates one unit at a time.
    """

    neuron: NeuronField = Tanh()
    connection: ConnectionField = Dense()
    gain: NonNegative = 1.0
    bounds: tuple[float, float] = (-10.0, 10.0)

    def wiring(self, inputs: Mapping[str, int], n_out: int) -> Wiring:
        if list(inputs.values()) != [n_out]:
            sizes = [f"{name}: {n}" for name, n in inputs.items()]
            raise BadInput(
                f"network autoassociative: inputs {', '.join(sizes)}",
                f"one input population of the size of the output, {n_out}",
                "change the task or the network",
            )
        (name,) = inputs
        connection = self.connection.sized(n_out, n_out, loop=True)
        loop = Edge(name, name, connection, gain=self.gain, bounds=self.bounds)
        return Wiring((Population(name, n_out, self.neuron),), (loop,))
