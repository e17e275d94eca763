"""One presentation to an event-driven network, as activities of its populations."""

from collections.abc import Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from metaplast.events.adjoint import LEAST, adjoint
from metaplast.events.membrane import EventMembrane
from metaplast.events.simulation import Record, indices, simulated
from metaplast.neurons.lif import Lif
from metaplast.signals import Key, NeuronView, Theta, neuron_view
from metaplast.wiring import Edge, Population, Wiring


class Rows(NamedTuple):
    """The numbers of the sources of spikes.

    first: population -> the number of its first neuron: inputs first, then the cells.
    n_inputs: input neurons.
    n_cells: all other neurons.
    """

    first: dict[str, int]
    n_inputs: int
    n_cells: int


class SpikeCredit(NamedTuple):
    """What a loss of the first spikes of the output gives to synapses and neurons.

    synapses: edge -> d loss / d weight, in the layout of the weights.
    neurons: population -> d loss / d activity, if all its spikes reached the others with it [n].
    """

    synapses: dict[str, Array]
    neurons: dict[str, Array]


def is_input(wiring: Wiring, population: Population) -> bool:
    """Whether no edge ends at a population."""
    return not wiring.into(population.name)


def cell(wiring: Wiring) -> Lif:
    """The neuron of all populations that an edge enters."""
    (neuron,) = {p.neuron for p in wiring.populations if not is_input(wiring, p)}
    assert isinstance(neuron, Lif)
    return neuron


def membrane(wiring: Wiring, dt: float) -> EventMembrane:
    """The cells, and the presentation of dt seconds that they see."""
    assert wiring.events
    neuron = cell(wiring)
    return EventMembrane(
        tau_m=neuron.tau_m,
        tau_s=neuron.tau_syn,
        threshold=neuron.threshold,
        duration=dt,
        max_events=wiring.events.max_events,
    )


def rows(wiring: Wiring) -> Rows:
    """The numbers of the sources of spikes."""
    first = {}
    n = 0
    inputs = [p for p in wiring.populations if is_input(wiring, p)]
    cells = [p for p in wiring.populations if not is_input(wiring, p)]
    for population in (*inputs, *cells):
        first[population.name] = n
        n += population.n
    n_inputs = sum(p.n for p in inputs)
    return Rows(first, n_inputs, n - n_inputs)


def _block(wiring: Wiring, edge: Edge, at: Rows) -> tuple[slice, slice]:
    """The rows and columns of an edge in the matrix of all weights."""
    pre = at.first[edge.pre]
    post = at.first[edge.post] - at.n_inputs
    n_pre = wiring.population(edge.pre).n
    n_post = wiring.population(edge.post).n
    return slice(pre, pre + n_pre), slice(post, post + n_post)


def matrix(wiring: Wiring, weights: Mapping[str, Array]) -> Array:
    """All weights, row s those that leave source s [n_inputs + n_cells, n_cells].

    Args:
        wiring: the graph.
        weights: edge -> its weights [n_post, n_pre].
    """
    at = rows(wiring)
    total = jnp.zeros((at.n_inputs + at.n_cells, at.n_cells))
    for edge in wiring.edges:
        block = wiring.sign(edge) * weights[edge.name].T
        total = total.at[_block(wiring, edge, at)].add(block)
    return total


def silent(wiring: Wiring, dt: float) -> Record:
    """The record of a presentation without a spike."""
    assert wiring.events
    at = rows(wiring)
    n = wiring.events.max_events
    return Record(
        times=jnp.full(n, dt, float),
        sources=jnp.full(n, at.n_inputs + at.n_cells, jnp.int32),
        excess=jnp.ones(n),
        full=jnp.zeros((), bool),
    )


def presented(
    wiring: Wiring,
    theta: Theta,
    weights: Mapping[str, Array],
    stimulus: Mapping[str, Array],
    dt: float,
    key: Key,
) -> tuple[dict[str, NeuronView], Record]:
    """One presentation of dt seconds: the view of every population, and all spikes.

        activity = 1 - t / dt,    gain = tau_m / (dt (I - threshold))

    t: time of the first spike of a cell. A silent cell has activity and gain 0.
    gain: d activity / d potential just before that spike.

    Args:
        wiring: the graph.
        theta: learned parameters of the neurons.
        weights: edge -> its weights [n_post, n_pre].
        stimulus: input population -> the drive of its soma [n].
        dt: seconds.
        key: the key of the inputs.
    """
    assert wiring.events
    at = rows(wiring)
    views = {}
    times = []
    for index, population in enumerate(wiring.populations):
        if not is_input(wiring, population):
            continue
        name = population.name
        neuron = population.neuron
        drive = {port: jnp.zeros(population.n) for port in neuron.ports}
        drive["soma"] = stimulus.get(name, drive["soma"])
        neuron_theta = theta.get(name, {})
        state = neuron.init_state(neuron_theta, population.n)
        _, view = neuron.step(neuron_theta, state, drive, dt, jax.random.fold_in(key, index))
        views[name] = view
        times.append(jnp.maximum(wiring.events.latest * (1.0 - view.activity), 0.0))
    spikes = simulated(
        membrane(wiring, dt), matrix(wiring, weights), jnp.concatenate(times), indices(at.n_inputs)
    )
    tau_m = cell(wiring).tau_m
    for population in wiring.populations:
        if population.name in views:
            continue
        row = first_rows(spikes, at.first[population.name], population.n)
        time = spikes.times.at[row].get(mode="fill", fill_value=dt)
        excess = spikes.excess.at[row].get(mode="fill", fill_value=jnp.inf)
        gain = tau_m / (dt * jnp.maximum(excess, LEAST))
        views[population.name] = neuron_view(1.0 - time / dt, jnp.zeros(population.n), gain)
    return views, spikes


def first_rows(spikes: Record, first: int, n: int) -> Array:
    """The row of the first spike of n sources in a row, max_events where they are silent [n].

    Args:
        spikes: of a presentation.
        first: the number of the first source.
        n: the number of sources.
    """
    max_events = len(spikes.times)
    sends = spikes.sources[:, None] == first + indices(n)[None, :]
    return jnp.min(jnp.where(sends, indices(max_events)[:, None], max_events), axis=0)


def credits(
    wiring: Wiring, weights: Mapping[str, Array], spikes: Record, error: Array, dt: float
) -> SpikeCredit:
    """EventProp, from the error at the output's activities.

    Args:
        wiring: the graph.
        weights: edge -> its weights [n_post, n_pre].
        spikes: of the presentation.
        error: d loss / d activity of the output [n_out].
        dt: seconds of the presentation.
    """
    assert wiring.events
    at = rows(wiring)
    output = wiring.output
    row = first_rows(spikes, at.first[output.name], output.n)
    direct = jnp.zeros_like(spikes.times).at[row].add(-error / dt, mode="drop")
    all_weights = matrix(wiring, weights)
    derivative = adjoint(membrane(wiring, dt), all_weights, spikes, direct)
    synapses = {}
    for edge in wiring.edges:
        block = derivative.weights[_block(wiring, edge, at)]
        synapses[edge.name] = wiring.sign(edge) * block.T
    sent = jnp.zeros(at.n_inputs + at.n_cells, spikes.times.dtype)
    sent = sent.at[spikes.sources].add(derivative.sent, mode="drop")
    neurons = {}
    for population in wiring.populations:
        first = at.first[population.name]
        seconds = wiring.events.latest if is_input(wiring, population) else dt
        neurons[population.name] = -seconds * sent[first : first + population.n]
    return SpikeCredit(synapses, neurons)
