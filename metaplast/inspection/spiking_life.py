"""One held-out life of a spiking network: spikes, membrane potentials and weights over time."""

from dataclasses import replace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from metaplast import search_loop
from metaplast.inspection.lived import quantiles, spiking_populations
from metaplast.inspection.subject import Subject
from metaplast.inspection.visited import existing
from metaplast.neurons.base import AbstractNeuron, NeuronWrapper
from metaplast.numerics.compiler import program
from metaplast.problem.lives import Batch
from metaplast.problem.meta_problem import MetaProblem
from metaplast.signals import Theta
from metaplast.wiring import Wiring

N_POINTS = 100
"""Points in time at which weights are kept, beside birth."""
N_WATCHED = 12
"""Cells of a population whose potential is kept."""
N_SINGLE = 6
"""Synapses of an edge of which each weight is kept."""
MOST_VALUES = 50_000_000
"""Steps times cells. Of a larger life, the first steps alone are lived."""


class SpikingLife(NamedTuple):
    """One life of a spiking network.

    spikes: {population: its spikes [n_steps, n_cells]}.
    potentials: {population: potential of some cells [n_steps, n_watched]}.
    watched: {population: which cells these are [n_watched]}.
    times: of the weights, in seconds [n_points].
    quantiles: {plastic edge: quantiles of its weights [n_points, n_levels]}.
    single: {plastic edge: weights of some synapses [n_points, n]}.
    n_synapses: {plastic edge: the number of its synapses}.
    thresholds: {population: the potential at which a cell at rest spikes}.
    signs: {population: +1 excitatory, -1 inhibitory, 0 neither}.
    dt: seconds of a step.
    n_whole: steps of the whole life; the first ones alone may be lived.
    """

    spikes: dict[str, np.ndarray]
    potentials: dict[str, np.ndarray]
    watched: dict[str, np.ndarray]
    times: np.ndarray
    quantiles: dict[str, np.ndarray]
    single: dict[str, np.ndarray]
    n_synapses: dict[str, int]
    thresholds: dict[str, float]
    signs: dict[str, int]
    dt: float
    n_whole: int

    @property
    def n_steps(self) -> int:
        """The steps that are shown."""
        return len(next(iter(self.spikes.values())))


def thresholds(wiring: Wiring) -> dict[str, float]:
    """{population: the potential at which a cell at rest spikes}, where its neuron has one."""
    found = {}
    for population in spiking_populations(wiring):
        neuron: AbstractNeuron = population.neuron
        while isinstance(neuron, NeuronWrapper):
            neuron = neuron.neuron
        for name in ("threshold", "v_peak"):
            if hasattr(neuron, name):
                found[population.name] = float(getattr(neuron, name))
    return found


def spiking_life(subject: Subject) -> SpikingLife:
    """The first held-out life of a rule, in a network with a population that spikes.

    A life is cut into equal stretches. Where its steps are no multiple of them, the last steps are
    not shown.

    Args:
        subject: the rule in its task.
    """
    problem = subject.problem.whole()
    lifetime = problem.lifetime
    wiring = lifetime.wiring()
    n_whole = lifetime.task.shape().n_steps
    populations = spiking_populations(wiring)
    n_cells = sum(population.n for population in populations)
    n_lived = max(1, min(n_whole, MOST_VALUES // n_cells))
    stride = max(1, n_lived // N_POINTS)
    n = n_lived // stride
    key = search_loop.stream(subject.seed, "heldout")
    batch = search_loop.sample(lifetime.task, key, 1, "heldout")
    spikes, potentials, of_edges, single = jax.tree.map(
        np.asarray, _life(problem, subject.theta, batch, stride, n)
    )
    return SpikingLife(
        spikes=spikes,
        potentials=potentials,
        watched={each.name: spread(each.n, N_WATCHED) for each in populations},
        times=lifetime.dt * stride * np.arange(n + 1),
        quantiles=of_edges,
        single=single,
        n_synapses={
            name: len(existing(edge.connection)) for name, (edge, _) in lifetime.plastic().items()
        },
        thresholds=thresholds(wiring),
        signs={population.name: population.sign for population in wiring.populations},
        dt=lifetime.dt,
        n_whole=n_whole,
    )


def spread(n: int, most: int) -> np.ndarray:
    """At most `most` of n places, evenly spread."""
    return np.unique(np.linspace(0, n - 1, min(n, most)).round().astype(int))


@program("problem", "stride", "n")
def _life(problem: MetaProblem, theta: Theta, batch: Batch, stride: int, n: int) -> Any:
    """(spikes, potentials, quantiles of weights, single weights) of the first life of a batch."""
    lifetime = replace(problem.lifetime, record=("activity", "potential"))
    populations = spiking_populations(lifetime.wiring())
    task = jax.tree.map(lambda leaf: leaf[0], batch.tasks)
    birth = lifetime.begin(theta, task, batch.keys[0])

    def weights(life: Any) -> tuple[dict[str, Array], dict[str, Array]]:
        single = {}
        for name, (edge, _) in lifetime.plastic().items():
            places = existing(edge.connection)
            chosen = places[spread(len(places), N_SINGLE)]
            single[name] = life.synapses[name].weight.reshape(-1)[chosen]
        return quantiles(lifetime, life), single

    def stretch(life: Any, _: None) -> Any:
        after, trace = lifetime.advance(theta, task, life, stride)
        spikes = {}
        potentials = {}
        for each in populations:
            spikes[each.name] = trace.recorded["activity"][each.name].astype(jnp.uint8)
            watched = spread(each.n, N_WATCHED)
            potentials[each.name] = trace.recorded["potential"][each.name][:, watched]
        return after, (spikes, potentials, weights(after))

    _, (spikes, potentials, later) = lax.scan(stretch, birth, None, n)
    spikes, potentials = jax.tree.map(
        lambda leaf: leaf.reshape(-1, *leaf.shape[2:]), (spikes, potentials)
    )
    of_edges, single = jax.tree.map(
        lambda first, leaf: jnp.concatenate([first[None], leaf]), weights(birth), later
    )
    return spikes, potentials, of_edges, single
