"""A network writes its wiring; the one step that runs every wiring is here too."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple, TypeVar

import jax
import jax.numpy as jnp
from jax import Array

from metaplast.events.simulation import Record
from metaplast.networks import _events
from metaplast.networks._population import Slopes, Varied, one_step, with_slopes
from metaplast.registry import BadInput
from metaplast.signals import Key, NeuronView, Synapses, TaskShape, Theta, pytree
from metaplast.wiring import Wiring

T = TypeVar("T")


class AbstractNetwork(ABC):
    """The writer of a wiring, and nothing else; `step` below runs every wiring."""

    @abstractmethod
    def wiring(self, inputs: Mapping[str, int], n_out: int) -> Wiring:
        """The graph for the sizes of a task.

        Args:
            inputs: input population -> its size.
            n_out: the size of the output, which is the last population.
        """


@pytree
class NetworkState:
    """The state of a network between two steps.

    Attributes:
        neurons: population -> state of its neurons.
        last: signal (`Edge.source`) -> its last values [n], for those that a backward edge reads.
        transmissions: edge -> state of its transmission.
        spikes: of the last step of an event-driven network; None for others.
    """

    neurons: dict[str, Theta]
    last: dict[str, Array]
    transmissions: dict[str, Theta]
    spikes: Record | None = None


class Signals(NamedTuple):
    """The signals of one step of a network.

    Attributes:
        views: population -> its view.
        transmitted: edge -> the presynaptic signal that arrived in this step [n_pre].
    """

    views: dict[str, NeuronView]
    transmitted: dict[str, Array]


def init(wiring: Wiring, key: Key) -> Theta:
    """Learned parameters of the neurons, {population: theta}.

    Populations that learn none are absent.

    Args:
        wiring: the graph.
        key: the key of the draw.
    """
    thetas = {}
    for index, population in enumerate(wiring.populations):
        theta = population.neuron.init(jax.random.fold_in(key, index), population.n)
        if jax.tree.leaves(theta):
            thetas[population.name] = theta
    return thetas


def begin(wiring: Wiring, theta: Theta, dt: float, key: Key) -> NetworkState:
    """The first state of a life or of a trial: at rest, except for potentials that a neuron draws.

    Args:
        wiring: the graph.
        theta: learned parameters of the neurons (`init`).
        dt: seconds per step.
        key: the key of the drawn potentials.
    """
    if wiring.events:
        return init_state(wiring, theta, dt)
    neurons = {}
    for index, population in enumerate(wiring.populations):
        neurons[population.name] = population.neuron.begin(
            theta.get(population.name, {}), population.n, jax.random.fold_in(key, index)
        )
    return replace(init_state(wiring, theta, dt), neurons=neurons)


def init_state(wiring: Wiring, theta: Theta, dt: float) -> NetworkState:
    """The state of a network at rest.

    Args:
        wiring: the graph.
        theta: learned parameters of the neurons (`init`).
        dt: seconds per step.
    """
    if wiring.events:
        spikes = _events.silent(wiring, dt)
        return NetworkState(neurons={}, last={}, transmissions={}, spikes=spikes)
    last = {}
    transmissions = {}
    for edge in wiring.edges:
        transmissions[edge.name] = edge.transmission.init_state(edge.connection.n_pre, dt)
        if wiring.backwards(edge):
            last[edge.source] = jnp.zeros(edge.connection.n_pre)
    neurons = {}
    for population in wiring.populations:
        name = population.name
        neurons[name] = population.neuron.init_state(theta.get(name, {}), population.n)
    return NetworkState(neurons=neurons, last=last, transmissions=transmissions)


class Stepped(NamedTuple):
    """The outcome of one step of a network.

    Attributes:
        state: the state after the step.
        signals: the signals in it.
        slopes: population -> the slopes of its step, for those that are `varied`.
        sites: edge -> the potential where it ends, at its port of the postsynaptic neuron [n_post].
    """

    state: NetworkState
    signals: Signals
    slopes: dict[str, Slopes]
    sites: dict[str, Array]


def step(
    wiring: Wiring,
    theta: Theta,
    synapses: dict[str, Synapses],
    state: NetworkState,
    stimulus: Mapping[str, Array],
    dt: float,
    key: Key,
) -> tuple[NetworkState, Signals]:
    """Advance every population once, in the order of the wiring.

    Args:
        wiring: the graph.
        theta: learned parameters of the neurons (`init`).
        synapses: edge -> its synapses.
        state: the state before the step.
        stimulus: input population -> the drive of its soma [n].
        dt: seconds per step.
        key: the key of the step.

    Returns:
        (The state after the step, the signals in it.)
    """
    after = stepped(wiring, theta, synapses, state, stimulus, dt, key, {})
    return after.state, after.signals


def stepped(
    wiring: Wiring,
    theta: Theta,
    synapses: dict[str, Synapses],
    state: NetworkState,
    stimulus: Mapping[str, Array],
    dt: float,
    key: Key,
    varied: Mapping[str, Varied],
) -> Stepped:
    """`step`, with the slopes of the steps of some populations.

    Args:
        wiring: the graph.
        theta: learned parameters of the neurons (`init`).
        synapses: edge -> its synapses.
        state: the state before the step.
        stimulus: input population -> the drive of its soma [n].
        dt: seconds per step.
        key: the key of the step.
        varied: population -> the inputs of its step with respect to which slopes are taken.
    """
    if wiring.events:
        return _presented(wiring, theta, synapses, stimulus, dt, key)
    outputs = dict(state.last)
    sites = {}
    slopes = {}
    neurons = {}
    views = {}
    transmissions = {}
    transmitted = {}
    for index, population in enumerate(wiring.populations):
        drive = {port: jnp.zeros(population.n) for port in population.neuron.ports}
        if population.name in stimulus:
            drive["soma"] = stimulus[population.name]
        for edge in wiring.into(population.name):
            transmissions[edge.name], sent = edge.transmission.step(
                state.transmissions[edge.name], outputs[edge.source], dt
            )
            transmitted[edge.name] = sent
            propagate = edge.connection.propagate
            if "pre" in wiring.spiking(edge):
                propagate = edge.connection.propagate_spikes
            arriving = propagate(synapses[edge.name].weight, sent)
            drive[edge.port] = drive[edge.port] + wiring.sign(edge) * arriving
        name = population.name
        before = state.neurons[name]
        step_key = jax.random.fold_in(key, index)
        neuron_theta = theta.get(name, {})
        one = one_step(population.neuron, neuron_theta, dt, step_key)
        if name in varied:
            (neurons[name], view), slopes[name] = with_slopes(one, before, drive, varied[name])
        else:
            neurons[name], view = one(before, drive)
        views[name] = view
        for edge in wiring.into(name):
            at_port = population.neuron.at_port(neuron_theta, neurons[name], view, edge.port)
            sites[edge.name] = at_port
        outputs[name] = view.activity
        for edge in wiring.edges:
            if edge.pre == name:
                outputs[edge.source] = getattr(view, edge.sends)
    last = {name: outputs[name] for name in state.last}
    after = NetworkState(neurons=neurons, last=last, transmissions=transmissions)
    return Stepped(after, Signals(views, transmitted), slopes, sites)


def _presented(
    wiring: Wiring,
    theta: Theta,
    synapses: dict[str, Synapses],
    stimulus: Mapping[str, Array],
    dt: float,
    key: Key,
) -> Stepped:
    """`stepped`, for an event-driven network: one presentation, which begins at rest."""
    weights = {name: one.weight for name, one in synapses.items()}
    views, spikes = _events.presented(wiring, theta, weights, stimulus, dt, key)
    sent = {edge.name: views[edge.pre].activity for edge in wiring.edges}
    sites = {edge.name: views[edge.post].potential for edge in wiring.edges}
    state = NetworkState(neurons={}, last={}, transmissions={}, spikes=spikes)
    return Stepped(state, Signals(views, sent), {}, sites)


def seen(wiring: Wiring, shape: TaskShape, values: Mapping[str, T]) -> T:
    """The values that the task looks at, joined along their last axis.

    The populations that it watches come first, then the output.

    Args:
        wiring: the graph.
        shape: the facts of the task.
        values: population -> array or view [..., n].
    """
    parts = [values[name] for name, _ in shape.watched]
    parts.append(values[wiring.output.name])
    if len(parts) == 1:
        return parts[0]
    return jax.tree.map(lambda *x: jnp.concatenate(x, axis=-1), *parts)


def check_watched(wiring: Wiring, shape: TaskShape) -> None:
    """Refuse a task that watches populations which the network does not have.

    Args:
        wiring: the graph.
        shape: the facts of the task.

    Raises:
        BadInput: where a watched name is no population inside the network, or one of another size.
    """
    inner = {p.name: p.n for p in wiring.populations[:-1] if p.name not in shape.inputs}
    for name, n in shape.watched:
        if name not in inner:
            expected = "a network with a hidden layer"
            if inner:
                expected = f"a population inside the network: {', '.join(inner)}"
            fix = "correct the name (units, in task=recordings), or set network.hidden=[...]"
            raise BadInput(f"task: watches {name!r}", expected, fix)
        if inner[name] != n:
            raise BadInput(
                f"task: watches {name!r}, which has {inner[name]} units",
                f"{n}, as many as were recorded",
                f"set network.hidden=[{n}], or the field that sizes {name}",
            )
