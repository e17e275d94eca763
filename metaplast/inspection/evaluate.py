"""Scores of a theta on lives it was not trained on."""

from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from metaplast import train
from metaplast.interfaces import Split
from metaplast.problem import MetaProblem
from metaplast.signals import Theta

PIECE = 256  # lives per call: validation and held-out lives share one compiled program


def lives(problem: MetaProblem, theta: Theta, seed: int, split: Split, n: int) -> dict[str, np.ndarray]:
    """Per-life values [n] on `n` lives of a split (on each once, where they are fixed): `loss`, the task's own metrics,
    shares of idle units. The lives depend on the seed, the split and their index alone, so every rule is judged on the
    same ones."""
    lifetime = problem.lifetime
    problem = replace(problem, lifetime=replace(lifetime, measure=(*lifetime.measure, "units")))
    stacked = jax.tree.map(lambda x: x[None], theta)
    pieces = []
    for batch in batches(problem, seed, split, n):
        _, metrics = train.evaluate(problem, stacked, batch)
        pieces.append({k: np.asarray(v[0]) for k, v in metrics.items() if v.ndim == 2})
    wanted = n if lifetime.task.whole(split) is None else None
    joined = {k: np.concatenate([p[k] for p in pieces])[:wanted] for k in pieces[0]}
    joined["loss"] = joined.pop("life_loss")
    return joined


def prototypes(problem: MetaProblem, seed: int, n: int) -> np.ndarray:
    """Accuracy [n] of the nearest class mean on held-out lives: means over the plastic phases' examples, Euclidean
    distance, judged on the last phase. Uses nothing but the stimuli and targets of each life."""
    shape = problem.lifetime.task.shape()
    bare = replace(problem, lifetime=replace(problem.lifetime, slots=(), record=("activity", "feedback")))
    shown = np.concatenate([np.full(length, plastic) for length, plastic in shape.phases])
    n_last = shape.phases[-1][0]
    scores = []
    theta = bare.init(jax.random.key(0))
    for batch in batches(problem, seed, "heldout", n):
        inputs, targets = _stream(bare, theta, batch)
        scores.append(_nearest(inputs, targets, jnp.asarray(shown), n_last))
    return np.concatenate(scores)[:n]


def _stream(problem: MetaProblem, theta: Theta, batch: Any) -> tuple[Any, Any]:
    trace = _record(problem, jax.tree.map(lambda x: x[None], theta), batch)
    activity = trace.recorded["activity"]
    inputs = jnp.concatenate([activity[name] for name in problem.lifetime.task.shape().inputs], axis=-1)
    return inputs, trace.recorded["feedback"].target


@jax.jit
def _distances(inputs: Any, means: Any) -> Any:
    return (
        jnp.sum(inputs**2, -1)[:, :, None] - 2 * inputs @ means.transpose(0, 2, 1) + jnp.sum(means**2, -1)[:, None, :]
    )


def _nearest(inputs: Any, targets: Any, shown: Any, n_last: int) -> np.ndarray:
    weights = targets * shown[None, :, None].astype(targets.dtype)
    means = jnp.einsum("ltc,lti->lci", weights, inputs) / jnp.sum(weights, axis=1)[:, :, None]
    nearest = jnp.argmin(_distances(inputs[:, -n_last:], means), axis=-1)
    return np.asarray(jnp.mean((nearest == jnp.argmax(targets[:, -n_last:], axis=-1)).astype(inputs.dtype), axis=1))


def _record(problem: MetaProblem, thetas: Theta, batch: Any) -> Any:
    run = jax.jit(lambda t, b: problem.advance(t, problem.begin(t, b), problem.lifetime.task.shape().n_steps)[1].trace)
    return run(thetas, batch)


def batches(problem: MetaProblem, seed: int, split: Split, n: int) -> list[Any]:
    family = problem.lifetime.task
    if (tasks := family.whole(split)) is not None:
        return [train.sample(family, train.stream(seed, split), jax.tree.leaves(tasks)[0].shape[0], split)]
    return [
        train.sample(family, train.stream(seed, split, jnp.asarray(i)), PIECE, split) for i in range(-(-n // PIECE))
    ]
