"""Scores of a theta on lives it was not trained on."""

from dataclasses import replace
from typing import Any, NamedTuple

import jax
import numpy as np

from metaplast import search_loop
from metaplast.problem.health import STEP
from metaplast.problem.meta_problem import MetaProblem
from metaplast.signals import Theta
from metaplast.tasks import Split

PIECE = 256
"""The most lives of a call. Validation and held-out lives of a run share one compiled program."""
LONGEST = 4096
"""The steps of the longest life whose score is kept at every step."""


class Scores(NamedTuple):
    """Scores of a theta.

    lives: {metric: values [n]}: `loss`, the task's own metrics, shares of idle units.
    steps: {`loss`, `weight` or a metric of the task: values [n_lives, n_steps]} of the first lives;
        empty where lives are longer than LONGEST.
    """

    lives: dict[str, np.ndarray]
    steps: dict[str, np.ndarray]


def lives(
    problem: MetaProblem, theta: Theta, seed: int, split: Split, n: int, piece: int = PIECE
) -> dict[str, np.ndarray]:
    """Per-life values [n] of a theta: see `scores`."""
    return scores(problem, theta, seed, split, n, 0, piece).lives


def scores(
    problem: MetaProblem,
    theta: Theta,
    seed: int,
    split: Split,
    n: int,
    n_curves: int,
    piece: int = PIECE,
) -> Scores:
    """The scores of a theta on the lives of a split.

    The lives depend on the seed, the split and their index alone, so every rule is judged on the
    same lives.

    Args:
        problem: whose lives are lived.
        theta: the rule's numbers.
        seed: of the run.
        split: of the tasks.
        n: number of lives; where the tasks of a split are fixed, each of them is lived once.
        n_curves: number of lives whose score is kept at every step.
        piece: the lives of a call, which decide the shapes of the compiled program. More lives
            than that go in calls of PIECE, so that life i is the same in a call of any size.
    """
    if n > piece:
        piece = PIECE
    lifetime = problem.lifetime
    measure = [*lifetime.measure, "units"]
    if lifetime.task.shape().n_steps <= LONGEST:
        measure.append("steps")
    problem = replace(problem, lifetime=replace(lifetime, measure=tuple(measure)))
    stacked = jax.tree.map(lambda x: np.asarray(x)[None], theta)
    pieces = []
    curves: dict[str, list[np.ndarray]] = {}
    for batch in batches(problem, seed, split, n, piece):
        _, metrics = search_loop.evaluate(problem, stacked, batch)
        wanted_curves = n_curves - piece * len(pieces)
        of_lives = {}
        for name, values in metrics.items():
            if name.startswith(STEP):
                if wanted_curves > 0:
                    of_first = np.asarray(values)[0, :wanted_curves]
                    curves.setdefault(name.removeprefix(STEP), []).append(of_first)
            elif values.ndim == 2:  # [member, life]
                of_lives[name] = np.asarray(values)[0]
        pieces.append(of_lives)
    wanted = None
    if lifetime.task.whole(split) is None:
        wanted = n
    joined = {}
    for name in pieces[0]:
        joined[name] = np.concatenate([of_lives[name] for of_lives in pieces])[:wanted]
    joined["loss"] = joined.pop("life_loss")
    steps = {name: np.concatenate(values) for name, values in curves.items()}
    return Scores(joined, steps)


def batches(problem: MetaProblem, seed: int, split: Split, n: int, piece: int = PIECE) -> list[Any]:
    """The lives of a split, at least `n`, in calls of `piece`; in one call where they are fixed."""
    family = problem.lifetime.task
    fixed = family.whole(split)
    if fixed is not None:
        n_fixed = jax.tree.leaves(fixed)[0].shape[0]
        return [search_loop.sample(family, search_loop.stream(seed, split), n_fixed, split)]
    n_pieces = -(-n // piece)
    keys = []
    for index in range(n_pieces):
        keys.append(search_loop.stream(seed, split, index))
    pieces = []
    for key in keys:
        pieces.append(search_loop.sample(family, key, piece, split))
    return pieces
