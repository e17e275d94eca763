"""A network of spiking cells that runs from spike to spike instead of from step to step."""

import dataclasses
from collections.abc import Mapping
from typing import Annotated

from metaplast.networks._events import is_input
from metaplast.networks.base import AbstractNetwork
from metaplast.networks.feedforward import Feedforward
from metaplast.neurons.lif import Lif
from metaplast.registry import BadInput, name_of, register
from metaplast.spec import Count, Positive, plugin, spec
from metaplast.transmission.instant import Instant
from metaplast.wiring import ACTIVITY, Edge, Population, Presentation, Wiring

CELL = Lif(tau_syn=5e-3)


@register("network", "event_driven")
@spec
class EventDriven(AbstractNetwork):
    """The cells of another network spike at exact times, not at steps.

        tau_m dV/dt = -V + I
        tau_syn dI/dt = -I
        V_n <- 0                           where V_n reaches the threshold
        I_j <- I_j + w_jn                  at the same time
        activity = 1 - t / dt
        t_in = latest (1 - x)

    V, I [n]: membrane potential and synaptic current, 0 at the beginning of each step.
    w_jn: the weight from the neuron n that spikes, a cell or an input, to cell j.
    t: time of a cell's first spike from the beginning of the step, in seconds; a silent cell has
        activity 0. gain is d activity / d potential just before that spike.
    t_in: time of the one spike of an input neuron, in seconds.
    x: activity of the input neuron: its stimulus, or 1 for a `bias`.

    A step of dt seconds is one presentation. Any task whose steps are examples can be shown.
    Feedback `eventprop` gives exact gradients. Fixed steps run the same cells without this network.

    Args:
        network: the graph. Its cells are alike: `lif` with tau_syn, of which tau_m, tau_syn and
            threshold alone are not the defaults. All edges are instant, and their weights a matrix.
        latest: the time of an input of 0, in seconds.
        max_events: the most spikes of one step, of inputs and of cells. The metric `full_table` is
            the share of steps with so many, in which later spikes may be missing.

    Raises:
        BadInput: for another cell, transmission, port or layout.

    Source: Wunderlich & Pehle 2021; latencies: Goeltz et al. 2021.
    """

    network: Annotated[AbstractNetwork, plugin("network")] = Feedforward(neuron=CELL, output=CELL)
    latest: Positive = 20e-3
    max_events: Count = 128

    def wiring(self, inputs: Mapping[str, int], n_out: int) -> Wiring:
        wiring = self.network.wiring(inputs, n_out)
        cells = []
        for population in wiring.populations:
            if is_input(wiring, population):
                _check_input(population)
                continue
            cells.append(population)
            _check_cell(population, cells[0])
            if population.name in inputs:
                what = f"network event_driven: {population.name} has a stimulus and synapses"
                fix = "set network.network=feedforward or recurrent"
                raise BadInput(what, "inputs that no edge enters", fix)
        for edge in wiring.edges:
            _check_edge(wiring, edge)
        return dataclasses.replace(wiring, events=Presentation(self.latest, self.max_events))


def _check_input(population: Population) -> None:
    """Raises: BadInput for an input neuron whose activity is no graded number of the step."""
    neuron = population.neuron
    if neuron.spiking or neuron.init_state({}, population.n):
        raise BadInput(
            f"network event_driven: neuron {name_of(type(neuron))} of {population.name}",
            "an input without memory, whose activity is its latency",
            "set source=linear, and let the task show values",
        )


def _check_cell(population: Population, like: Population) -> None:
    """Raises: BadInput for a cell that the equations do not hold for."""
    neuron = population.neuron
    what = f"network event_driven: neuron {name_of(type(neuron))} of {population.name}"
    plain = isinstance(neuron, Lif) and neuron == Lif(
        tau_m=neuron.tau_m, tau_syn=neuron.tau_syn, threshold=neuron.threshold
    )
    if not isinstance(neuron, Lif) or not plain or neuron.tau_syn == 0.0:
        expected = "lif with tau_syn above 0, and only tau_m, tau_syn and threshold set"
        raise BadInput(what, expected, "set neuron and output to {name: lif, tau_syn: 5e-3}")
    if neuron != like.neuron:
        raise BadInput(what, f"the same cell as {like.name}", "give both the same constants")


def _check_edge(wiring: Wiring, edge: Edge) -> None:
    """Raises: BadInput for an edge that the equations do not hold for."""
    what = f"network event_driven: edge {edge.name}"
    if edge.sends != ACTIVITY:
        raise BadInput(f"{what}: sends {edge.sends}", "its spikes", "leave sends out")
    if not isinstance(edge.transmission, Instant):
        raise BadInput(f"{what}: a transmission of its own", "instant", "leave transmission out")
    size = (wiring.population(edge.post).n, wiring.population(edge.pre).n)
    if edge.connection.shape != size:
        raise BadInput(f"{what}: another layout", "dense or masked weights", "set connection=dense")
