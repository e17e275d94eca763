"""Whole lives, and what is left at their end: weights, outputs, scores, the state of units."""

from dataclasses import replace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from metaplast.inspection.subject import Subject
from metaplast.inspection.visited import existing
from metaplast.life.units import idle
from metaplast.numerics.compiler import program
from metaplast.objectives.base import Lived, last_phase
from metaplast.problem.health import at_bound, is_finite, survived
from metaplast.problem.layout import Layout, spread
from metaplast.problem.lives import Batch, assign, leading, take
from metaplast.problem.meta_problem import MetaProblem
from metaplast.results.evaluate import batches
from metaplast.signals import Theta
from metaplast.tasks import Split

N_LIVES = 32
MOST_NUMBERS = 2e7
"""Weights and outputs that are kept of all lives."""


class Ends(NamedTuple):
    """The ends of the same lives under several thetas.

    born: {plastic edge: weights at birth [n_members, n_lives, n_synapses]}.
    final: the weights at the end, of the same form.
    output: activity of the output population [n_members, n_lives, n_steps, n_out].
    scores: {metric: [n_members, n_lives]}, with `loss`, `survived`, `at_bound`, and for every
        driven population `silent_<name>` and `saturated_<name>`. The loss is not finite where a
        number of the life is not.
    existing: {plastic edge: the places in `born` and `final` at which a synapse exists}. At all
        others, which a mask leaves out, the weights are 0.
    """

    born: dict[str, np.ndarray]
    final: dict[str, np.ndarray]
    output: np.ndarray
    scores: dict[str, np.ndarray]
    existing: dict[str, np.ndarray]

    def changes(self) -> np.ndarray:
        """The changes of all plastic synapses through a life [n_members, n_lives, n_synapses]."""
        of_edges = []
        for edge, there in self.existing.items():
            of_edges.append(self.final[edge][..., there] - self.born[edge][..., there])
        return np.concatenate(of_edges, axis=-1)


def ends(
    subject: Subject, thetas: list[Theta], split: Split = "validation", n_lives: int = N_LIVES
) -> Ends:
    """The ends of some lives under each of several thetas.

    The lives are those of `Subject.scores`; fewer where they would not fit the memory.

    Args:
        subject: the rule in its task.
        thetas: the thetas of the whole problem.
        split: of the tasks.
        n_lives: the number of lives.
    """
    problem = subject.problem.whole()
    n_lives = min(n_lives, _most_lives(problem, len(thetas)))
    batch = batches(problem, subject.seed, split, n_lives)[0]
    batch = jax.tree.map(lambda leaf: leaf[:n_lives], batch)
    return ends_of(problem, thetas, batch)


def ends_of(problem: MetaProblem, thetas: list[Theta], batch: Batch) -> Ends:
    """The ends of given lives under each of several thetas.

    Args:
        problem: whose lives are lived.
        thetas: the thetas of the whole problem.
        batch: the tasks and the keys of the lives.
    """
    members = jax.tree.map(lambda *leaves: np.stack(leaves), *thetas)
    found: Any = _ends(problem.whole(), members, batch)
    form = (len(thetas), batch.keys.shape[0])

    def of_members(leaf: Array) -> np.ndarray:
        return np.asarray(leaf, np.float64).reshape(*form, *leaf.shape[1:])

    there = {}
    for name, (edge, _) in problem.lifetime.plastic().items():
        there[name] = existing(edge.connection)
    born, final, output, scores = jax.tree.map(of_members, found)
    return Ends(born, final, output, scores, there)


def _most_lives(problem: MetaProblem, n_members: int) -> int:
    shape = problem.lifetime.task.shape()
    n_numbers = shape.n_steps * shape.n_out
    for edge, _ in problem.lifetime.plastic().values():
        n_numbers += 2 * int(np.prod(edge.connection.shape))
    return max(2, int(MOST_NUMBERS / (n_numbers * n_members)))


@program("problem")
def _ends(problem: MetaProblem, thetas: Theta, batch: Batch) -> Any:
    """The fields of `Ends`, of members x lives along one axis."""
    lifetime = replace(problem.lifetime, record=("activity", "gain"))
    shape = problem.shape()
    wiring = lifetime.wiring()
    member, life_of = assign(leading(thetas), leading(batch.keys), None)

    def one(i: Array, shared: Any) -> Any:
        thetas, batch, member, life_of = shared
        theta = take(thetas, member[i])
        task = take(batch.tasks, life_of[i])
        birth = lifetime.begin(theta, task, batch.keys[life_of[i]])
        life, trace = lifetime.advance(theta, task, birth, shape.n_steps, start=0)
        loss = problem.objective.loss(theta, Lived(task, trace, life.synapses, shape))
        scores = {
            "loss": jnp.where(is_finite(life, birth), loss, jnp.nan),
            "survived": survived(trace.score),
            "at_bound": at_bound(lifetime, life),
            **last_phase(trace.score, shape.phases[-1][0]),
            **idle(wiring, theta["neurons"], trace.recorded, lifetime.dt),
        }
        born = {}
        final = {}
        for name in lifetime.plastic():
            born[name] = birth.synapses[name].weight.reshape(-1)
            final[name] = life.synapses[name].weight.reshape(-1)
        return born, final, trace.recorded["activity"][wiring.output.name], scores

    layout = Layout(len(member), problem.chunk_size(), problem.n_devices)
    return spread(one, layout, (thetas, batch, member, life_of))
