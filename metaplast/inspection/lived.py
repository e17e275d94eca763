"""Weights and activity through a life."""

from dataclasses import replace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from metaplast.inspection.subject import Subject
from metaplast.inspection.visited import existing
from metaplast.life.lifetime import Life, Lifetime
from metaplast.numerics.compiler import program
from metaplast.problem.lives import Batch
from metaplast.problem.meta_problem import MetaProblem
from metaplast.results.evaluate import batches
from metaplast.signals import Theta
from metaplast.tasks import Split
from metaplast.wiring import Population, Wiring

N_LIVES = 16
N_POINTS = 40
LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)


class Course(NamedTuple):
    """Weights and activity through lives.

    steps: steps lived at every point [n_points].
    weights: {edge: quantiles LEVELS of its weights, mean over lives [n_points, n_levels]}.
    activity: {population: mean activity since the point before, its quantiles over lives
        [n_points, n_levels]}; spikes a second where the population spikes.
    spiking: the populations that spike.
    dt: seconds of a step.
    phases: (n_steps, plastic) of the task.
    n_lives: the lives that count.
    left_out: lives left out because a number of them was not finite.
    """

    steps: np.ndarray
    weights: dict[str, np.ndarray]
    activity: dict[str, np.ndarray]
    spiking: list[str]
    dt: float
    phases: tuple[tuple[int, bool], ...]
    n_lives: int
    left_out: int


def spiking_populations(wiring: Wiring) -> list[Population]:
    """The populations whose cells spike; sources, which the task drives, are left out."""
    found = []
    for population in wiring.populations:
        if wiring.spikes(population) and wiring.into(population.name):
            found.append(population)
    return found


def course(
    subject: Subject,
    split: Split = "validation",
    n_lives: int = N_LIVES,
    n_points: int = N_POINTS,
) -> Course:
    """Weights and activity through some lives.

    A life is cut into equal stretches. Where its steps are no multiple of them, the last steps are
    not shown.

    Args:
        subject: the rule in its task.
        split: of the tasks.
        n_lives: the number of lives.
        n_points: the number of points in time, beside birth.
    """
    problem = subject.problem.whole()
    lifetime = problem.lifetime
    shape = lifetime.task.shape()
    wiring = lifetime.wiring()
    stride = max(1, shape.n_steps // n_points)
    n = shape.n_steps // stride
    batch = batches(problem, subject.seed, split, n_lives)[0]
    batch = jax.tree.map(lambda leaf: leaf[:n_lives], batch)
    found: Any = _courses(problem, subject.theta, batch, stride, n)
    weights, activity = jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), found)
    finite = np.ones(batch.keys.shape[0], bool)
    for values in (*weights.values(), *activity.values()):
        finite &= np.isfinite(values).reshape(len(values), -1).all(axis=1)
    spiking = [population.name for population in spiking_populations(wiring)]
    of_edges = {}
    for edge, values in weights.items():
        of_edges[edge] = _mean(values[finite])
    of_populations = {}
    for name, values in activity.items():
        rates = values / lifetime.dt if name in spiking else values
        of_populations[name] = _quantiles(rates[finite])
    return Course(
        stride * np.arange(n + 1),
        of_edges,
        of_populations,
        spiking,
        lifetime.dt,
        shape.phases,
        int(finite.sum()),
        int((~finite).sum()),
    )


def quantiles(lifetime: Lifetime, life: Life) -> dict[str, Array]:
    """{plastic edge: LEVELS of its weights [n_levels]} of a life.

    Args:
        lifetime: whose life.
        life: its state.
    """
    of_edges = {}
    for name, (edge, _) in lifetime.plastic().items():
        weight = life.synapses[name].weight.reshape(-1)[existing(edge.connection)]
        of_edges[name] = jnp.quantile(weight, jnp.asarray(LEVELS, weight.dtype))
    return of_edges


def _mean(values: np.ndarray) -> np.ndarray:
    """The mean over lives; NaN where no life is left."""
    if not len(values):
        return np.full(values.shape[1:], np.nan)
    return values.mean(axis=0)


def _quantiles(values: np.ndarray) -> np.ndarray:
    """LEVELS over lives [n_points, n_levels]; NaN where no life is left."""
    if not len(values):
        return np.full((values.shape[1], len(LEVELS)), np.nan)
    return np.quantile(values, LEVELS, axis=0).T


@program("problem", "stride", "n")
def _courses(problem: MetaProblem, theta: Theta, batch: Batch, stride: int, n: int) -> Any:
    """({edge: [n_lives, n + 1, n_levels]}, {population: [n_lives, n]})."""
    lifetime = replace(problem.lifetime, record=("activity",))
    wiring = lifetime.wiring()

    def live(one: Batch) -> Any:
        birth = lifetime.begin(theta, one.tasks, one.keys)

        def stretch(life: Any, _: None) -> Any:
            after, trace = lifetime.advance(theta, one.tasks, life, stride)
            means = {}
            for population in wiring.populations:
                if wiring.into(population.name):
                    means[population.name] = jnp.mean(trace.recorded["activity"][population.name])
            return after, (quantiles(lifetime, after), means)

        _, (weights, means) = lax.scan(stretch, birth, None, n)
        first = quantiles(lifetime, birth)
        whole = {}
        for name, later in weights.items():
            whole[name] = jnp.concatenate([first[name][None], later])
        return whole, means

    return lax.map(live, batch)
