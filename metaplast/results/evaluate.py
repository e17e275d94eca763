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
    """Per-life values [n] on `n` lives of a split (on each once, where they are fixed): `loss`, the
    task's own metrics, shares of idle units. The lives depend on the seed, the split and their
    index alone, so every rule is judged on the same ones."""
    lifetime = problem.lifetime
    problem = replace(problem, lifetime=replace(lifetime, measure=(*lifetime.measure, "units")))
    stacked = jax.tree.map(lambda x: np.asarray(x)[None], theta)
    pieces = []
    for batch in batches(problem, seed, split, n):
        _, metrics = train.evaluate(problem, stacked, batch)
        pieces.append({k: np.asarray(v)[0] for k, v in metrics.items() if v.ndim == 2})
    wanted = n if lifetime.task.whole(split) is None else None
    joined = {k: np.concatenate([p[k] for p in pieces])[:wanted] for k in pieces[0]}
    joined["loss"] = joined.pop("life_loss")
    return joined


def batches(problem: MetaProblem, seed: int, split: Split, n: int) -> list[Any]:
    family = problem.lifetime.task
    if (tasks := family.whole(split)) is not None:
        return [
            train.sample(
                family, train.stream(seed, split), jax.tree.leaves(tasks)[0].shape[0], split
            )
        ]
    return [
        train.sample(family, train.stream(seed, split, i), PIECE, split)
        for i in range(-(-n // PIECE))
    ]
