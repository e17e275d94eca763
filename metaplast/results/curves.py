"""Learning curves within a life: the score of every step, with a pointwise 95 % band."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from metaplast.numerics.compiler import program
from metaplast.problem.meta_problem import Batch, MetaProblem
from metaplast.results.evaluate import PIECE, batches
from metaplast.results.statistics import FEW, t_quantile
from metaplast.signals import Score, Theta
from metaplast.tasks import Split

RESAMPLES = 1000
FEW_SPLITS = 4
"""Fewer splits have no band: Student's t of 1 or 2 degrees of freedom is wider than the axis."""


class Steps(NamedTuple):
    """One quantity at every step of every life.

    values: [n_lives, n_steps].
    weight: of each value [n_lives, n_steps]; 0 where a step does not count.
    """

    values: np.ndarray
    weight: np.ndarray


class Band(NamedTuple):
    """The mean of a row at every step, and how far it is known.

    mean: NaN where no life counts [n_steps].
    low, high: the pointwise 95 % interval [n_steps].
    splits: the mean of each split [n_steps]; empty where it is not known.
    floor: 0 where no value of a life is negative, else -inf: no picture shows less.
    """

    mean: np.ndarray
    low: np.ndarray
    high: np.ndarray
    splits: Sequence[np.ndarray] = ()
    floor: float = -np.inf

    @property
    def is_interval(self) -> bool:
        """Whether the interval says more than the splits themselves."""
        return not 1 < len(self.splits) < FEW_SPLITS

    @property
    def lowest(self) -> np.ndarray:
        """The lower end of what is drawn at each step [n_steps]."""
        if self.is_interval:
            return np.maximum(self.low, self.floor)
        return np.min(self.splits, axis=0)


def per_step(
    problem: MetaProblem, theta: Theta, seed: int, n: int, split: Split = "heldout"
) -> dict[str, Steps]:
    """`loss` and the task's own metrics at every step of lives.

    Every step is scored before its own weight change. See `counted`.

    Args:
        problem: whose lives are lived.
        theta: the rule's numbers.
        seed: of the run.
        n: number of lives, the first of those that `evaluate.lives` scores.
        split: of the lives.
    """
    stacked = jax.tree.map(lambda x: x[None], theta)
    pieces = []
    for piece, batch in enumerate(batches(problem, seed, split, n)):
        wanted = n - piece * PIECE
        first = jax.tree.map(lambda x, wanted=wanted: x[:wanted], batch)
        score = _scores(problem, stacked, first)
        pieces.append({"loss": score.loss, "weight": score.weight, **score.metrics})
    values = {}
    for name in pieces[0]:
        values[name] = np.concatenate([piece[name] for piece in pieces])
    return counted(values)


def counted(values: Mapping[str, np.ndarray]) -> dict[str, Steps]:
    """{metric: its values with their weights}.

    A life counts only until its first step with a loss that is not finite.

    Args:
        values: {`loss`, `weight` or a metric of the task: values [n_lives, n_steps]}.
    """
    is_whole = np.cumprod(np.isfinite(values["loss"]), axis=1)
    weight = np.asarray(values["weight"], np.float64) * is_whole
    steps = {}
    for name, each in values.items():
        if name != "weight":
            steps[name] = Steps(np.asarray(each, np.float64), weight)
    return steps


def n_not_finite(steps: Steps) -> int:
    """The number of lives with a value that is not finite."""
    return int((~np.isfinite(steps.values)).any(axis=1).sum())


def half_width(n_steps: int) -> int:
    """The moving mean spans 2 h + 1 steps, about a twentieth of a life."""
    return n_steps // 40


def band(
    groups: Sequence[Steps], phases: Sequence[tuple[int, bool]], h: int, seed: int = 0
) -> Band:
    """The moving mean over 2 h + 1 steps, averaged over lives, then over groups.

    At the ends of a phase the window is cut: it never mixes phases. Several groups have Student's
    interval over their means (`statistics.estimate` says why). One group has the percentile
    bootstrap over whole lives, with the same draws at every step; of fewer than FEW lives it has
    Student's t of the jackknife over them.

    Args:
        groups: the lives of each split.
        phases: (steps, plastic) of a life.
        h: half width of the window, steps.
        seed: of the bootstrap.
    """
    smooth = []
    for group in groups:
        smooth.append(_smooth(group, phases, h))
    means = np.stack([_ratio(lives.top.sum(axis=0), lives.bottom.sum(axis=0)) for lives in smooth])
    mean = means.mean(axis=0)
    n_groups = len(groups)
    lives = smooth[0]
    if n_groups > 1:
        half = t_quantile(n_groups - 1) * means.std(axis=0, ddof=1) / np.sqrt(n_groups)
        low, high = mean - half, mean + half
    elif 1 < len(lives.top) < FEW:
        half = _jackknife(lives)
        low, high = mean - half, mean + half
    else:
        low, high = _bootstrap(lives, seed)
    has_negative = any((_counted(group) < 0).any() for group in groups)
    return Band(mean, low, high, tuple(means), -np.inf if has_negative else 0.0)


class _Smooth(NamedTuple):
    """Moving sums of one group, [n_lives, n_steps]: of values times weights, and of weights."""

    top: np.ndarray
    bottom: np.ndarray


def _smooth(steps: Steps, phases: Sequence[tuple[int, bool]], h: int) -> _Smooth:
    top = _moving_sum(_counted(steps), phases, h)
    return _Smooth(top, _moving_sum(steps.weight, phases, h))


def _jackknife(lives: _Smooth) -> np.ndarray:
    """Half the width of Student's 95 % interval at each step, by leaving out one life at a time."""
    n = len(lives.top)
    top = lives.top.sum(axis=0) - lives.top
    bottom = lives.bottom.sum(axis=0) - lives.bottom
    without = _ratio(top, bottom)
    return t_quantile(n - 1) * np.sqrt((n - 1) ** 2 / n) * without.std(axis=0, ddof=1)


def _bootstrap(lives: _Smooth, seed: int) -> np.ndarray:
    """The 2.5 % and 97.5 % points at each step [2, n_steps], over draws of whole lives."""
    n = len(lives.top)
    generator = np.random.default_rng(seed)
    times = generator.multinomial(n, np.full(n, 1.0 / n), size=RESAMPLES).astype(np.float64)
    return np.quantile(_ratio(times @ lives.top, times @ lives.bottom), [0.025, 0.975], axis=0)


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
