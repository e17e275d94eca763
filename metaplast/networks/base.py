"""A network writes its wiring; the one step that runs every wiring is here."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import replace
from typing import TypeVar

import jax
import jax.numpy as jnp
from jax import Array

from metaplast.registry import BadInput
from metaplast.signals import Key, NeuronView, Synapses, TaskShape, Theta, pytree
from metaplast.wiring import Wiring

T = TypeVar("T")


class AbstractNetwork(ABC):
    """A network writes its wiring, nothing else; `step` below runs every wiring."""

    @abstractmethod
    def wiring(self, inputs: Mapping[str, int], n_out: int) -> Wiring:
        """The graph for input populations of the given sizes; the last population is the output, of
        size n_out.
        """


@pytree
class NetworkState:
    """neurons: state per population; last: outputs that a backward edge reads; transmissions: per
    edge.
    """

    neurons: dict[str, Theta]
    last: dict[str, Array]
    transmissions: dict[str, Theta]


def init(wiring: Wiring, key: Key) -> Theta:
    """Learned parameters of the neurons, {population: theta}; populations that learn none are
    absent.
    """
    thetas = {
        p.name: p.neuron.init(jax.random.fold_in(key, i), p.n)
        for i, p in enumerate(wiring.populations)
    }
    return {name: theta for name, theta in thetas.items() if jax.tree.leaves(theta)}


def begin(wiring: Wiring, theta: Theta, dt: float, key: Key) -> NetworkState:
    """The first state of a life or of a trial: at rest, but for the potentials that a neuron draws."""
    neurons = {
        p.name: p.neuron.begin(theta.get(p.name, {}), p.n, jax.random.fold_in(key, index))
        for index, p in enumerate(wiring.populations)
    }
    return replace(init_state(wiring, theta, dt), neurons=neurons)


def init_state(wiring: Wiring, theta: Theta, dt: float) -> NetworkState:
    """Everything at rest."""
    sources = {e.pre for e in wiring.edges if wiring.backwards(e)}
    return NetworkState(
        neurons={
            p.name: p.neuron.init_state(theta.get(p.name, {}), p.n) for p in wiring.populations
        },
        last={p.name: jnp.zeros(p.n) for p in wiring.populations if p.name in sources},
        transmissions={
            e.name: e.transmission.init_state(e.connection.n_pre, dt) for e in wiring.edges
        },
    )


def step(
    wiring: Wiring,
    theta: Theta,
    synapses: dict[str, Synapses],
    state: NetworkState,
    stimulus: Mapping[str, Array],
    dt: float,
    key: Key,
) -> tuple[NetworkState, tuple[dict[str, NeuronView], dict[str, Array]]]:
    """Advance every population once, in order: (state, (views, transmitted)).

    views: per population; transmitted: per edge, the presynaptic signal [n_pre] that arrived in
    this step.
    """
    outputs = dict(state.last)
    neurons, views, transmissions, transmitted = {}, {}, {}, {}
    for index, population in enumerate(wiring.populations):
        drive = {port: jnp.zeros(population.n) for port in population.neuron.ports}
        if population.name in stimulus:
            drive["soma"] = stimulus[population.name]
        for edge in wiring.into(population.name):
            inner = state.transmissions[edge.name]
            transmissions[edge.name], sent = edge.transmission.step(inner, outputs[edge.pre], dt)
            transmitted[edge.name] = sent
            spikes = "pre" in wiring.spiking(edge)
            propagate = edge.connection.propagate_spikes if spikes else edge.connection.propagate
            drive[edge.port] = drive[edge.port] + wiring.sign(edge) * propagate(
                synapses[edge.name].weight, sent
            )
        for port, arriving in drive.items():
            if (
                port not in population.neuron.signed
            ):  # not `maximum`, whose slope at 0, where nothing arrives, is a half
                drive[port] = jnp.where(arriving < 0.0, 0.0, arriving)
        neurons[population.name], view = population.neuron.step(
            theta.get(population.name, {}),
            state.neurons[population.name],
            drive,
            dt,
            jax.random.fold_in(key, index),
        )
        views[population.name] = view
        outputs[population.name] = view.activity
    last = {name: outputs[name] for name in state.last}
    return NetworkState(neurons=neurons, last=last, transmissions=transmissions), (
        views,
        transmitted,
    )


def seen(wiring: Wiring, shape: TaskShape, values: Mapping[str, T]) -> T:
    """What the task looks at, of values per population (arrays or views [..., n]): those of the
    populations that it watches, then the output's, joined along their last axis."""
    names = [*(name for name, _ in shape.watched), wiring.output.name]
    if len(names) == 1:
        return values[names[0]]
    return jax.tree.map(lambda *x: jnp.concatenate(x, axis=-1), *(values[name] for name in names))


def check_watched(wiring: Wiring, shape: TaskShape) -> None:
    """Raises: BadInput where the task watches what is no population inside the network, or one of
    another size.
    """
    inner = {p.name: p.n for p in wiring.populations[:-1] if p.name not in shape.inputs}
    for name, n in shape.watched:
        if name not in inner:
            known = (
                f"a population inside the network: {', '.join(inner)}"
                if inner
                else "a network with a hidden layer"
            )
            fix = "correct the name (units, in task=recordings), or set network.hidden=[...]"
            raise BadInput(f"task: watches {name!r}", known, fix)
        if inner[name] != n:
            given = f"task: watches {name!r}, which has {inner[name]} units"
            raise BadInput(
                given,
                f"{n}, as many as were recorded",
                f"set network.hidden=[{n}], or what sizes {name}",
            )
