"""The score at birth and after learning: the share that is innate, and its course in a search."""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import jax
import numpy as np

from metaplast import search_loop
from metaplast.inspection import side_by_side
from metaplast.inspection.distillation import unpenalised
from metaplast.inspection.horizons import lasting
from metaplast.inspection.subject import Subject
from metaplast.problem.meta_problem import MetaProblem
from metaplast.registry import BadInput
from metaplast.results.evaluate import batches
from metaplast.results.statistics import Estimate, estimate, student
from metaplast.results.statistics import share as share_of
from metaplast.signals import Theta
from metaplast.tasks import AbstractTaskFamily, Split

N_LIVES = 64
LENGTHS = (0.0, 0.5, 1.0, 2.0)
"""Lengths of a life, in lives as searched; at 0 it does not learn at all."""


class Innate(NamedTuple):
    """A score at birth beside the score after learning, on the same lives.

    at_birth: the score without plasticity.
    learned: the score with the rule.
    gain: how much better the second is, life by life; above 0 is better.
    chance: the score of guessing; None where it is not known.
    share: (at_birth - chance) / (learned - chance). None without a chance; NaN where the score with
        the rule is not better than chance by its interval: there is nothing to share.
    not_finite: lives that are left out, because one of the two scores is not finite.
    """

    at_birth: Estimate
    learned: Estimate
    gain: Estimate
    chance: float | None
    share: Estimate | None
    not_finite: int


class Course(NamedTuple):
    """Scores of the same thetas in lives of several lengths.

    steps: the outer steps after which the thetas were taken; [] for one theta of no known step.
    scores: {length of a life: [n_thetas, n_lives]}; 0: without plasticity.
    settings: {length: what was changed, in words}.
    refused: {length: why the task has no such life}.
    metric: the name of the score.
    chance: the score of guessing; None where it is not known.
    """

    steps: list[int]
    scores: dict[float, np.ndarray]
    settings: dict[float, str]
    refused: dict[float, str]
    metric: str
    chance: float | None

    def at(self, index: int) -> Innate:
        """The score at birth and after learning under a theta."""
        born = [self.scores[0.0][index]]
        learned = [self.scores[1.0][index]]
        return innate(born, learned, self.chance, self.metric == "accuracy")

    def score(self, length: float, index: int) -> Estimate:
        """The score of a theta in lives of a length, over its finite lives."""
        values = self.scores[length][index]
        values = values[np.isfinite(values)]
        if not len(values):
            return Estimate(np.nan, np.nan, np.nan, 0)
        return estimate([values])


def chance_of(family: AbstractTaskFamily, metric: str) -> float | None:
    """The score of guessing; None where it is not known, as for every loss."""
    return family.chance() if metric == "accuracy" else None


def still(problem: MetaProblem, theta: Theta) -> tuple[MetaProblem, Theta]:
    """The same births in lives that do not learn: (the problem without rules, theta without them).

    Args:
        problem: whose lives are lived.
        theta: one theta, or several that are stacked.
    """
    lifetime = replace(problem.lifetime, slots=())
    return replace(problem, lifetime=lifetime), {**theta, "rules": {}}


def scores_at_birth(subject: Subject, split: Split, n_lives: int) -> np.ndarray:
    """The scores of lives in which no rule is at work [n_lives].

    Args:
        subject: the rule in its task.
        split: of the tasks.
        n_lives: the number of lives.
    """
    problem, theta = still(subject.problem, subject.theta)
    return side_by_side.scores(replace(subject, problem=problem), [theta], split, n_lives)[0]


def innate(
    at_birth: Sequence[np.ndarray],
    learned: Sequence[np.ndarray],
    chance: float | None,
    larger_is_better: bool,
) -> Innate:
    """The score at birth beside the score after learning.

    Args:
        at_birth: scores without plasticity, one array of lives for each run.
        learned: scores with the rule, of the same lives.
        chance: the score of guessing; None where it is not known.
        larger_is_better: whether a larger score is better.

    Source:
        own definition.
    """
    sign = 1.0 if larger_is_better else -1.0
    born_of_runs = []
    learned_of_runs = []
    not_finite = 0
    for born, after in zip(at_birth, learned, strict=True):
        finite = np.isfinite(born) & np.isfinite(after)
        not_finite += int((~finite).sum())
        born_of_runs.append(np.asarray(born, np.float64)[finite])
        learned_of_runs.append(np.asarray(after, np.float64)[finite])
    if not all(map(len, born_of_runs)):
        unknown = Estimate(np.nan, np.nan, np.nan, 0)
        share = None if chance is None else unknown
        return Innate(unknown, unknown, unknown, chance, share, not_finite)
    gains = []
    for born, after in zip(born_of_runs, learned_of_runs, strict=True):
        gains.append(sign * (after - born))
    share = None
    if chance is not None:
        larger_born = [sign * born for born in born_of_runs]
        larger_learned = [sign * after for after in learned_of_runs]
        share = _share(larger_born, larger_learned, sign * chance)
    return Innate(
        estimate(born_of_runs),
        estimate(learned_of_runs),
        estimate(gains),
        chance,
        share,
        not_finite,
    )


def _share(
    at_birth: Sequence[np.ndarray], learned: Sequence[np.ndarray], chance: float
) -> Estimate:
    """The innate share: of one run with a bootstrap over lives, of several with a t interval."""
    shares = []
    for born, after in zip(at_birth, learned, strict=True):
        shares.append(innate_share(born, after, chance))
    if len(shares) == 1:
        return shares[0]
    return student([share.mean for share in shares])._replace(n=sum(map(len, learned)))


def innate_share(at_birth: np.ndarray, learned: np.ndarray, chance: float) -> Estimate:
    """The share of `Innate` over the lives of one run; NaN where it is not defined.

        share = (mean at_birth - chance) / (mean learned - chance)

    Args:
        at_birth: scores without plasticity, of which larger is better [n_lives].
        learned: scores with the rule, of the same lives [n_lives].
        chance: the score of guessing.
    """
    return share_of(at_birth - chance, learned - chance)


def course(
    problem: MetaProblem,
    thetas: Theta,
    steps: list[int],
    seed: int,
    metric: str,
    lengths: Sequence[float] = LENGTHS,
    split: Split = "validation",
    n_lives: int = N_LIVES,
) -> Course:
    """The scores of thetas in lives of several lengths, and in lives that do not learn.

    Nothing is searched anew. Lives of one length are the same under every theta, and those of
    length 0 are those as searched. A loss holds no penalty of theta.

    Args:
        problem: the lives in which the thetas were searched.
        thetas: stacked.
        steps: the outer steps after which they were taken; [] where that is not known.
        seed: of the run; it draws all lives.
        metric: the name of the score.
        lengths: of lives; 0: without plasticity.
        split: of the tasks.
        n_lives: the number of lives.
    """
    problem = unpenalised(problem.whole())
    family = problem.lifetime.task
    scores = {}
    settings = {}
    refused = {}
    for length in lengths:
        try:
            task, setting = lasting(family, length or 1.0, split)
        except BadInput as error:
            refused[length] = str(error)
            continue
        lived = replace(problem, lifetime=replace(problem.lifetime, task=task))
        under = thetas
        if length == 0:
            lived, under = still(lived, thetas)
            setting = "no plasticity"
        batch = batches(lived, seed, split, n_lives)[0]
        batch = jax.tree.map(lambda leaf: leaf[:n_lives], batch)
        _, metrics = search_loop.evaluate(lived, under, batch)
        name = "life_loss" if metric == "loss" else metric
        values = np.asarray(metrics[name], np.float64)
        # Without rules, theta may hold no number in which its members could differ.
        scores[length] = np.broadcast_to(values, (max(1, len(steps)), values.shape[1]))
        settings[length] = setting
    return Course(steps, scores, settings, refused, metric, chance_of(family, metric))
