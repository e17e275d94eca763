"""The share of a score that a network has at birth."""

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from metaplast.inspection.side_by_side import scores
from metaplast.inspection.subject import Subject
from metaplast.results.statistics import RESAMPLES, Estimate, estimate
from metaplast.tasks import Split


class Innate(NamedTuple):
    """The share of a score that the network has at birth.

    at_birth: score without plasticity.
    learned: score with the rule, on the same lives.
    chance: score of guessing.
    share: (at_birth - chance) / (learned - chance), with a bootstrap over lives. NaN where the
        score with the rule is not better than chance by its interval: there is nothing to share.
    """

    at_birth: Estimate
    learned: Estimate
    chance: float
    share: Estimate


def innate(subject: Subject, chance: float, split: Split, n_lives: int) -> Innate:
    """The share of a score that the network has at birth.

        share = (score_0 - chance) / (score_T - chance)

    score_0: of the same births, with no rule at work.
    score_T: with the rule. A life that is not finite with or without it does not count.

    The share is not defined where score_T is not better than chance by its interval.

    Args:
        subject: the rule in its task.
        chance: the score of guessing.
        split: of the tasks.
        n_lives: the number of lives.

    Source:
        own definition.
    """
    at_birth = scores_at_birth(subject, split, n_lives)
    learned = scores(subject, [subject.theta], split, n_lives)[0]
    finite = np.isfinite(at_birth) & np.isfinite(learned)
    at_birth = at_birth[finite]
    learned = learned[finite]
    share = innate_share(
        subject.better_by(at_birth, np.full(len(at_birth), chance)),
        subject.better_by(learned, np.full(len(learned), chance)),
        subject.seed,
    )
    return Innate(estimate([at_birth]), estimate([learned]), chance, share)


def innate_share(at_birth: np.ndarray, learned: np.ndarray, seed: int) -> Estimate:
    """The share of `Innate` with its interval; NaN where it is not defined.

    Args:
        at_birth: how much better than guessing each life is without plasticity [n_lives].
        learned: how much better it is with the rule [n_lives].
        seed: of the bootstrap.
    """
    n = len(learned)
    if not estimate([learned]).low > 0:
        return Estimate(float("nan"), float("nan"), float("nan"), n)
    rows = np.random.default_rng(seed).integers(n, size=(RESAMPLES, n))
    above = learned[rows].mean(axis=1)
    shares = at_birth[rows].mean(axis=1)[above > 0] / above[above > 0]
    low, high = np.quantile(shares, [0.025, 0.975])
    return Estimate(float(at_birth.mean() / learned.mean()), float(low), float(high), n)


def chance_of(subject: Subject) -> float | None:
    """The score of guessing; None where it is not known.

    It is known for the accuracy of a task of classes, each of which is as likely.
    """
    shape = subject.problem.lifetime.task.shape()
    if shape.classes and subject.metric == "accuracy":
        return 1.0 / shape.n_out
    return None


def scores_at_birth(subject: Subject, split: Split, n_lives: int) -> np.ndarray:
    """The scores of lives in which no rule is at work [n_lives].

    Args:
        subject: the rule in its task.
        split: of the tasks.
        n_lives: the number of lives.
    """
    lifetime = replace(subject.problem.lifetime, slots=())
    still = replace(subject, problem=replace(subject.problem, lifetime=lifetime))
    return scores(still, [{**subject.theta, "rules": {}}], split, n_lives)[0]
