"""References judged on the same lives as the rows of a table."""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from metaplast.problem.meta_problem import Batch, MetaProblem
from metaplast.references.base import AbstractReference, Numbers
from metaplast.results.evaluate import batches
from metaplast.signals import Metrics
from metaplast.tasks import Split

LOCKSTEP = 32  # lives at a time, so that the memory of a reference stays small
RULERS = ("accuracy", "loss")  # options are chosen by the first that a reference is scored in


class Place(NamedTuple):
    """A reference on a problem. It is judged on the lives of the rows (see `evaluate.lives`)."""

    reference: AbstractReference
    problem: MetaProblem
    seed: int


def choose(place: Place, n: int) -> Numbers:
    """The best of a reference's options on `n` validation lives; the first of equals.

    A single option is taken without a life.
    """
    options = place.reference.options()
    if len(options) == 1:
        return options[0]
    costs = []
    for numbers in options:
        scores = lives(place, numbers, "validation", n)
        ruler = next(name for name in RULERS if name in scores)
        mean = float(np.mean(scores[ruler], dtype=np.float64))
        cost = mean
        if ruler == "accuracy":
            cost = -mean
        if not np.isfinite(cost):
            cost = np.inf
        costs.append(cost)
    return options[int(np.argmin(costs))]


def lives(place: Place, numbers: Numbers, split: Split, n: int) -> dict[str, np.ndarray]:
    """Per-life values [n] on `n` lives of a split, like those of a row by `evaluate.lives`."""
    lifetime = place.problem.lifetime
    traced = {}
    for name, value in numbers.items():
        traced[name] = jnp.zeros(()) + value
    pieces = []
    for batch in batches(place.problem, place.seed, split, n):
        pieces.append(_judge(place.reference, lifetime.task, lifetime.dt, batch, traced))
    wanted = None
    if lifetime.task.whole(split) is None:
        wanted = n
    joined = {}
    for name in pieces[0]:
        values = np.concatenate([np.asarray(piece[name]) for piece in pieces])
        joined[name] = values[:wanted]
    return joined


@partial(jax.jit, static_argnames=("reference", "family", "dt"))
def _judge(
    reference: AbstractReference, family: Any, dt: float, batch: Batch, numbers: Any
) -> Metrics:
    def one(life: Batch) -> Metrics:
        return reference.judge(family, life.tasks, life.keys, dt, numbers)

    return jax.lax.map(one, batch, batch_size=LOCKSTEP)
