"""Learning curves within a life: what every step is worth, over held-out lives, with a pointwise 95
% band.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from metaplast.numerics.compiler import program
from metaplast.problem.meta_problem import Batch, MetaProblem
from metaplast.results.evaluate import PIECE, batches
from metaplast.results.statistics import FEW, t_quantile
from metaplast.signals import Score, Theta

RESAMPLES = 1000


class Steps(NamedTuple):
    """One quantity at every step of every life: values [n_lives, n_steps], and what each step
    counts (0: nothing).
    """

    values: np.ndarray
    weight: np.ndarray


class Band(NamedTuple):
    """mean, and the 95 % interval low .. high at each step [n_steps]; NaN where no life counts."""

    mean: np.ndarray
    low: np.ndarray
    high: np.ndarray


def per_step(problem: MetaProblem, theta: Theta, seed: int, n: int) -> dict[str, Steps]:
    """`loss` and the task's own metrics on the first `n` of the held-out lives that
    `evaluate.lives` scores.

    Every step is scored before its own weight change. From the first step whose loss is not finite
    on, a life counts nothing.
    """
    stacked, found = jax.tree.map(lambda x: x[None], theta), []
    for piece, batch in enumerate(batches(problem, seed, "heldout", n)):
        wanted = n - piece * PIECE
        found.append(_scores(problem, stacked, jax.tree.map(lambda x: x[:wanted], batch)))  # noqa: B023
    pieces = [{"loss": score.loss, **score.metrics} for score in found]
    values = {
        name: np.concatenate([np.asarray(p[name], np.float64) for p in pieces])
        for name in pieces[0]
    }
    weight = np.concatenate([np.asarray(score.weight, np.float64) for score in found])
    weight = weight * np.cumprod(np.isfinite(values["loss"]), axis=1)
    return {name: Steps(found, weight) for name, found in values.items()}


def n_blown(steps: Steps) -> int:
    """How many lives hold a value that is not finite."""
    return int((~np.isfinite(steps.values)).any(axis=1).sum())


def half_width(n_steps: int) -> int:
    """The moving mean spans 2 h + 1 steps, about a twentieth of a life."""
    return n_steps // 40


def band(
    groups: Sequence[Steps], phases: Sequence[tuple[int, bool]], h: int, seed: int = 0
) -> Band:
    """The moving mean over `2 h + 1` steps of a phase, averaged over lives, then over groups (one
    per split).

    At the ends of a phase the window is cut: it never mixes phases. Several groups: Student's
    interval over their means (`statistics.estimate` says why). One: the percentile bootstrap over
    whole lives, the same at every step, or, of fewer than FEW lives, Student's t of the jackknife
    over them.
    """
    smooth = [tuple(_moving_sum(x, phases, h) for x in (_counted(g), g.weight)) for g in groups]
    means = np.stack([_ratio(top.sum(axis=0), bottom.sum(axis=0)) for top, bottom in smooth])
    mean, n_groups = means.mean(axis=0), len(groups)
    if n_groups > 1:
        half = t_quantile(n_groups - 1) * means.std(axis=0, ddof=1) / np.sqrt(n_groups)
        return Band(mean, mean - half, mean + half)
    (top, bottom), n = smooth[0], len(smooth[0][0])
    if 1 < n < FEW:
        without = _ratio(top.sum(axis=0) - top, bottom.sum(axis=0) - bottom)
        half = t_quantile(n - 1) * np.sqrt((n - 1) ** 2 / n) * without.std(axis=0, ddof=1)
        return Band(mean, mean - half, mean + half)
    times = (
        np.random.default_rng(seed)
        .multinomial(n, np.full(n, 1.0 / n), size=RESAMPLES)
        .astype(np.float64)
    )
    low, high = np.quantile(_ratio(times @ top, times @ bottom), [0.025, 0.975], axis=0)
    return Band(mean, low, high)


@program("problem")
def _scores(problem: MetaProblem, thetas: Theta, batch: Batch) -> Score:
    _, window = problem.advance(
        thetas, problem.begin(thetas, batch), problem.lifetime.task.shape().n_steps
    )
    return window.trace.score


def _counted(steps: Steps) -> np.ndarray:
    return np.where(steps.weight > 0, steps.values, 0.0) * steps.weight


def _moving_sum(values: np.ndarray, phases: Sequence[tuple[int, bool]], h: int) -> np.ndarray:
    """sum over |s - t| <= h within the phase of t, [n_lives, n_steps]."""
    pieces: list[Any] = []
    start = 0
    for length, _ in phases:
        total = np.cumsum(np.pad(values[:, start : start + length], ((0, 0), (1, 0))), axis=1)
        t = np.arange(length)
        pieces.append(total[:, np.minimum(t + h + 1, length)] - total[:, np.maximum(t - h, 0)])
        start += length
    return np.concatenate(pieces, axis=1)


def _ratio(top: np.ndarray, bottom: np.ndarray) -> np.ndarray:
    return np.divide(top, bottom, out=np.full(np.shape(top), np.nan), where=bottom > 0)
