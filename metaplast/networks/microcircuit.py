"""Layers of pyramidal cells, each with interneurons that predict the layer above."""

from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise

from metaplast.connections.dense import Dense
from metaplast.connections.one_to_one import OneToOne
from metaplast.networks.base import AbstractNetwork
from metaplast.neurons.constant import Constant
from metaplast.neurons.linear import Linear
from metaplast.neurons.pyramidal import Pyramidal
from metaplast.neurons.softplus import Softplus
from metaplast.registry import BadInput, register
from metaplast.spec import Count, NonNegative, Positive, spec
from metaplast.wiring import Edge, NeuronField, Population, Wiring

TARGET = "target"
"""The input population whose activities are the potentials that the output should have."""
TAUGHT = "taught"
"""The input unit that is 1 while a target is shown, else 0."""


@register("network", "microcircuit")
@spec
class Microcircuit(AbstractNetwork):
    """input(s) -> hidden_1 <-> ... <-> hidden_L <-> output, with interneurons for top-down input.

    Cells are `pyramidal`. interneuron_l has the size of the layer above hidden_l, and predicts it
    from hidden_l. hidden_l subtracts the prediction from its top-down input. What is left in its
    apical dendrite is its error.

        edge                          from            to              port     sends
        input_to_hidden_1, ...        layer below     layer           basal    activity
        predict_l                     hidden_l        interneuron_l   basal    activity
        cancel_l                      interneuron_l   hidden_l        apical   activity
        down_l                        layer above     hidden_l        apical   activity
        nudge_l                       layer above     interneuron_l   soma     potential, one to one
        shunt_l                       one             interneuron_l   shunt    activity
        teach                         target          output          soma     activity, one to one
        shunt                         taught          output          shunt    activity

    The last four are not plastic. Their weights have to be the conductance of the nudge, which is
    their `gain`: genome `self_predicting` sets them. `teach` and `shunt` are there where the task
    has the inputs `target` and `taught`, such as task `shown_target`.

    Timing: all that comes from above or from interneurons arrives one step late, and all else in
    the same step. Rules are meant for a network that has settled (`settle` of the life).

    Rules: `dendritic_prediction` at `*_to_*` and `predict_*`, `dendritic_cancellation` at
    `cancel_*`.

    Args:
        hidden: the sizes of the hidden layers, at least one.
        source: the neurons of the inputs.
        transfer: the rate of hidden cells over their potential.
        output: the rate of output cells over their potential. Interneurons have that of the layer
            above.
        tau_m: time constant of every soma at rest, in seconds.
        g_basal: conductance of basal dendrites, also of the dendrite of interneurons, in units of
            the leak.
        g_apical: conductance of the apical dendrites of hidden cells; the output has none.
        g_nudge: conductance by which a layer pulls the interneurons below it.
        g_teacher: conductance by which a target pulls the output.
        gain: standard deviation of an initial weight times sqrt(fan-in), of edges that go up.
        back_gain: the same of edges that go down, and of interneurons.
        bounds: lower and upper bound of the weights.

    Limits: in the self-predicting state (genome `self_predicting`) apical potentials are 0 without
    a target. With g_teacher -> 0 and down_l = (edge up)^T they are proportional to the error that
    backpropagation gives for the loss int_u^u* phi'(v) (u* - v) dv. Layers differ in the factor,
    which falls by g_apical / (1 + g_basal + g_apical) and more from layer to layer. There are no
    biases, no noise, and no low-pass filter of plasticity.

    Raises:
        BadInput: without a hidden layer, or for a target of another size than the output.

    Source: Sacramento, Costa, Bengio & Senn 2018 (conductances 1, 0.8, 0.8 over a leak of 0.1).
    """

    hidden: tuple[Count, ...] = (20,)
    source: NeuronField = Linear()
    transfer: NeuronField = Softplus()
    output: NeuronField = Linear()
    tau_m: Positive = 10e-3
    g_basal: NonNegative = 10.0
    g_apical: NonNegative = 8.0
    g_nudge: Positive = 8.0
    g_teacher: Positive = 8.0
    gain: NonNegative = 1.0
    back_gain: NonNegative = 1.0
    bounds: tuple[float, float] = (-10.0, 10.0)

    def __post_init__(self) -> None:
        if not self.hidden:
            raise BadInput("network microcircuit: hidden=[]", "a hidden layer", "set hidden=[20]")

    def wiring(self, inputs: Mapping[str, int], n_out: int) -> Wiring:
        sources = [Population(name, n, self.source) for name, n in inputs.items()]
        sources.append(Population("one", 1, Constant()))
        below = [s for s in sources if s.name not in (TARGET, TAUGHT, "one")]
        layers = self._layers(n_out)
        populations = sources
        edges = []
        for level, (layer, above) in enumerate(pairwise(layers), 1):
            edges += [self._up(source, layer) for source in below]
            interneuron = self._interneuron(level, above)
            edges += self._lateral(level, layer, interneuron, above)
            populations += [layer, interneuron]
            below = [layer]
        output = layers[-1]
        edges += [self._up(source, output) for source in below]
        edges += self._taught(inputs, output)
        return Wiring((*populations, output), tuple(edges))

    def _layers(self, n_out: int) -> list[Population]:
        """The layers of pyramidal cells, from the first hidden one to the output."""
        cell = Pyramidal(self.tau_m, self.g_basal, self.g_apical, self.transfer)
        layers = []
        for level, n in enumerate(self.hidden, 1):
            layers.append(Population(f"hidden_{level}", n, cell))
        bare = replace(cell, g_apical=0.0, transfer=self.output)
        return [*layers, Population("output", n_out, bare)]

    def _interneuron(self, level: int, above: Population) -> Population:
        """The interneurons of a hidden layer: one for each cell of the layer above."""
        transfer = self.output if above.name == "output" else self.transfer
        cell = Pyramidal(self.tau_m, self.g_basal, 0.0, transfer)
        return Population(f"interneuron_{level}", above.n, cell)

    def _up(self, pre: Population, post: Population, label: str = "") -> Edge:
        """An edge to the basal dendrites of a layer or of interneurons."""
        return Edge(
            pre.name,
            post.name,
            Dense(post.n, pre.n),
            port="basal",
            gain=self.gain,
            bounds=self.bounds,
            label=label,
        )

    def _lateral(
        self, level: int, layer: Population, interneuron: Population, above: Population
    ) -> list[Edge]:
        """The edges of the interneurons of a layer, and the top-down edge."""
        nudge = self.g_nudge
        edges = [self._up(layer, interneuron, f"predict_{level}")]
        for pre, name in ((interneuron, "cancel"), (above, "down")):
            edges.append(
                Edge(
                    pre.name,
                    layer.name,
                    Dense(layer.n, pre.n),
                    port="apical",
                    gain=self.back_gain,
                    bounds=self.bounds,
                    label=f"{name}_{level}",
                )
            )
        pull = _fixed(above, interneuron, nudge, f"nudge_{level}")
        edges.append(replace(pull, sends="potential"))
        one = Population("one", 1, Constant())
        edges.append(_fixed(one, interneuron, nudge, f"shunt_{level}"))
        return edges

    def _taught(self, inputs: Mapping[str, int], output: Population) -> list[Edge]:
        """The edges of the target, where the task shows one."""
        if TARGET not in inputs and TAUGHT not in inputs:
            return []
        expected = {TARGET: output.n, TAUGHT: 1}
        sizes = {name: inputs[name] for name in expected if name in inputs}
        if sizes != expected:
            what = f"network microcircuit: inputs {sizes}"
            raise BadInput(what, f"{expected}, or neither", "take task shown_target")
        edges = []
        for name, label in ((TARGET, "teach"), (TAUGHT, "shunt")):
            source = Population(name, inputs[name])
            edges.append(_fixed(source, output, self.g_teacher, label))
        return edges


def _fixed(pre: Population, post: Population, conductance: float, label: str) -> Edge:
    """One edge of a nudge: its current, one to one, or the shunt from a single unit."""
    shunt = label.startswith("shunt")
    return Edge(
        pre.name,
        post.name,
        Dense(post.n, pre.n) if shunt else OneToOne(post.n, pre.n),
        port="shunt" if shunt else "soma",
        plastic=False,
        gain=conductance,
        bounds=(0.0, conductance),
        label=label,
    )
