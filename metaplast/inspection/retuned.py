"""Searches of the rest of theta after some coefficients were knocked out."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from metaplast import train
from metaplast.inspection.knock_out import Coefficient, at, knocked_out, with_leaf
from metaplast.inspection.pinned import Pinned
from metaplast.inspection.subject import Subject
from metaplast.numerics.compiler import program
from metaplast.outer import AbstractOuterLoop
from metaplast.problem.layout import each
from metaplast.problem.lives import Batch
from metaplast.problem.meta_problem import MetaProblem
from metaplast.signals import Key, Theta


def retuned(
    subject: Subject,
    outer: AbstractOuterLoop,
    which: Sequence[Sequence[Coefficient]],
    tick: Callable[[str, int, int], None] = lambda *_: None,
) -> list[Theta]:
    """The theta after a short search, one for every set of coefficients that is held at 0.

    All searches begin at the theta of the subject with the coefficients at 0, live the same
    training lives, and run in one compiled program. They take all steps of the outer loop.

    Args:
        subject: the rule in its task.
        outer: the outer loop, with as many steps as the search may take.
        which: the coefficients that each search holds at 0.
        tick: a function that is called as steps get done.
    """
    n_steps = outer.n_steps
    held = [knocked_out(subject.theta, coefficients) for coefficients in which]
    free = [_free(subject.theta, coefficients) for coefficients in which]
    all_held = jax.tree.map(lambda *leaves: jnp.stack(leaves), *held)
    all_free = jax.tree.map(lambda *leaves: jnp.stack(leaves), *free)
    problem = subject.problem
    key = train.stream(subject.seed, "outer")
    states = _begin(problem, outer, all_free, all_held, key, outer.hyper())
    for index in range(n_steps):
        tick("re-tuning", index, n_steps)
        k_tasks = train.stream(subject.seed, "tasks", index)
        batch = train.sample(problem.lifetime.task, k_tasks, problem.n_tasks, "train")
        k_step = train.stream(subject.seed, "step", index)
        states = _step(problem, outer, states, all_free, all_held, batch, k_step)
    tick("re-tuning", n_steps, n_steps)
    found = []
    for index, (one_free, one_held) in enumerate(zip(free, held, strict=True)):
        theta = outer.theta(jax.tree.map(lambda leaf, index=index: leaf[index], states))
        pinned = jax.tree.map(np.where, one_free, jax.tree.map(np.asarray, theta), one_held)
        found.append(pinned)
    return found


def _free(theta: Theta, which: Sequence[Coefficient]) -> Theta:
    """False for the numbers of the coefficients, True for all others, a tree like theta."""
    free = jax.tree.map(lambda leaf: np.ones(np.shape(leaf), bool), theta)
    for coefficient in which:
        leaf = np.array(at(free["rules"], coefficient.path))
        leaf[coefficient.index] = False
        free = {**free, "rules": with_leaf(free["rules"], coefficient.path, leaf)}
    return free


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
        return outer.init(pinned, args[1], key, hyper)

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
