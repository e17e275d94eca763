"""Searches of the rest of theta after something was knocked out."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from metaplast import search_loop
from metaplast.inspection.pinned import Pinned
from metaplast.inspection.subject import Subject
from metaplast.numerics.compiler import program
from metaplast.outer import AbstractOuterLoop
from metaplast.problem.layout import each
from metaplast.problem.lives import Batch
from metaplast.problem.meta_problem import MetaProblem
from metaplast.signals import Key, Theta

SLOWER = 0.1
"""Steps of these searches, relative to those of the search that found the rule.

Its first steps are made for a start far from the end. On `categories`, ten of them from the end on
take 0.25 of the accuracy 0.90 of the full rule."""


class Start(NamedTuple):
    """The start of a search.

    theta: where it begins.
    free: True for every number that it may move, a tree like theta.
    """

    theta: Theta
    free: Theta


def retuned(
    subject: Subject,
    outer: AbstractOuterLoop,
    starts: Sequence[Start],
    tick: Callable[[str, int, int], None] = lambda *_: None,
) -> list[Theta]:
    """The thetas after short searches from several starts.

    All searches live the same training lives and run in one compiled program. They take all steps
    of the outer loop, each SLOWER of its size.

    Args:
        subject: the rule in its task. Its own theta plays no part.
        outer: the outer loop, with as many steps as the search may take.
        starts: the start of each search.
        tick: a function that is called as steps get done.
    """
    n_steps = outer.n_steps
    held = _stacked([start.theta for start in starts])
    free = _stacked([start.free for start in starts])
    problem = subject.problem
    key = search_loop.stream(subject.seed, "outer")
    states = _begin(problem, outer, free, held, key, outer.hyper())
    for index in range(n_steps):
        tick("re-tuning", index, n_steps)
        k_tasks = search_loop.stream(subject.seed, "tasks", index)
        batch = search_loop.sample(problem.lifetime.task, k_tasks, problem.n_tasks, "train")
        k_step = search_loop.stream(subject.seed, "step", index)
        states = _step(problem, outer, states, free, held, batch, k_step)
    tick("re-tuning", n_steps, n_steps)
    found = []
    for index, start in enumerate(starts):
        theta = outer.theta(jax.tree.map(lambda leaf, index=index: leaf[index], states))
        numbers = jax.tree.map(np.asarray, theta)
        found.append(jax.tree.map(np.where, start.free, numbers, start.theta))
    return found


def _stacked(trees: Sequence[Any]) -> Any:
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *trees)


@program("problem", "outer")
def _begin(
    problem: MetaProblem,
    outer: AbstractOuterLoop,
    free: Theta,
    held: Theta,
    key: Key,
    hyper: dict[str, Array],
) -> Any:
    def one(args: tuple[Theta, Theta]) -> Any:
        pinned = Pinned(problem, *args)
        return outer.slower(outer.init(pinned, args[1], key, hyper), SLOWER)

    return each(one, (free, held))


@program("problem", "outer")
def _step(
    problem: MetaProblem,
    outer: AbstractOuterLoop,
    states: Any,
    free: Theta,
    held: Theta,
    batch: Batch,
    key: Key,
) -> Any:
    def one(args: tuple[Any, Theta, Theta]) -> Any:
        state, one_free, one_held = args
        after, _ = outer.step(Pinned(problem, one_free, one_held), state, batch, key)
        return after

    return each(one, (states, free, held))
