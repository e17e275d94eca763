"""Scores of a theta on lives it was not trained on."""

from dataclasses import replace
from typing import Any

import jax
import numpy as np

from metaplast import train
from metaplast.problem.meta_problem import MetaProblem
from metaplast.signals import Theta
from metaplast.tasks import Split

PIECE = 256  # lives per call: validation and held-out lives share one compiled program


def lives(
    problem: MetaProblem, theta: Theta, seed: int, split: Split, n: int
) -> dict[str, np.ndarray]:
    """Per-life values [n]: `loss`, the task's own metrics, shares of idle units.

    The lives depend on the seed, the split and their index alone, so every rule is judged on the
    same lives.

    Args:
        problem: whose lives are lived.
        theta: the rule's numbers.
        seed: of the run.
        split: of the tasks.
        n: number of lives; where the tasks of a split are fixed, each of them is lived once.
    """
    lifetime = problem.lifetime
    problem = replace(problem, lifetime=replace(lifetime, measure=(*lifetime.measure, "units")))
    stacked = jax.tree.map(lambda x: np.asarray(x)[None], theta)
    pieces = []
    for batch in batches(problem, seed, split, n):
        _, metrics = train.evaluate(problem, stacked, batch)
        piece = {}
        for name, values in metrics.items():
            if values.ndim == 2:  # [member, life]
                piece[name] = np.asarray(values)[0]
        pieces.append(piece)
    wanted = None
    if lifetime.task.whole(split) is None:
        wanted = n
    joined = {}
    for name in pieces[0]:
        joined[name] = np.concatenate([piece[name] for piece in pieces])[:wanted]
    joined["loss"] = joined.pop("life_loss")
    return joined


def batches(problem: MetaProblem, seed: int, split: Split, n: int) -> list[Any]:
    """The lives of a split in pieces of PIECE, at least `n`; in one piece where they are fixed."""
    family = problem.lifetime.task
    fixed = family.whole(split)
    if fixed is not None:
        n_fixed = jax.tree.leaves(fixed)[0].shape[0]
        return [train.sample(family, train.stream(seed, split), n_fixed, split)]
    n_pieces = -(-n // PIECE)
    keys = []
    for index in range(n_pieces):
        keys.append(train.stream(seed, split, index))
    pieces = []
    for key in keys:
        pieces.append(train.sample(family, key, PIECE, split))
    return pieces
