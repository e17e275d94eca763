"""The scores of many thetas on the same lives, by one compiled program."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import NamedTuple

import jax
import numpy as np

from metaplast import search_loop
from metaplast.inspection.subject import Subject
from metaplast.problem.meta_problem import Batch, MetaProblem
from metaplast.results.evaluate import batches
from metaplast.results.statistics import Estimate, estimate
from metaplast.reuse.formula import NEGLIGIBLE
from metaplast.signals import Theta
from metaplast.tasks import Split

MEMBERS = 4
LIVES = 64
"""Thetas and lives in one call. All calls have as many, so that they share one compiled program."""
THREADS = 2
"""Calls at a time. XLA computes outside of Python's lock: 16 thetas on 128 lives of `categories`
take 2.3 s by two threads on two cores and 3.8 s by one, with the same bits."""
CHUNK = 16
"""Lives in lockstep. These lives have no gradient, and so more of them fit the cache than in a
search. On `categories`, a theta takes 0.32 CPU s on 128 lives, against 0.44 in chunks of 3."""


class Difference(NamedTuple):
    """A paired difference on the same lives.

    by: its mean with the 95 % interval, over the lives in which both scores are finite. Positive
        means better.
    standard_error: of the mean.
    not_finite: lives in which the first score is not finite. They are no part of the mean.
    """

    by: Estimate
    standard_error: float
    not_finite: int


def scores(subject: Subject, thetas: Sequence[Theta], split: Split, n: int) -> np.ndarray:
    """The score of every life under every theta, [n_thetas, n_lives].

    Args:
        subject: the rule in its task. Its own theta plays no part.
        thetas: thetas of its problem.
        split: of the tasks.
        n: the number of lives; where the tasks of a split are fixed, each of them is lived once.
    """
    name = subject.metric
    if name == "loss":
        name = "life_loss"
    problem = replace(subject.problem, chunk=max(CHUNK, subject.problem.chunk))
    is_fixed = problem.lifetime.task.whole(split) is not None
    pieces = []
    for batch in batches(problem, subject.seed, split, n):
        size = batch.keys.shape[0]
        step = size if is_fixed else LIVES
        for start in range(0, size, step):
            if is_fixed or len(pieces) * LIVES < n:
                some = jax.tree.map(lambda leaf, i=start, j=step: leaf[i : i + j], batch)
                pieces.append(_of_batch(problem, thetas, some, name))
    joined = np.concatenate(pieces, axis=1)
    if is_fixed:
        return joined
    return joined[:, :n]


def _of_batch(problem: MetaProblem, thetas: Sequence[Theta], batch: Batch, name: str) -> np.ndarray:
    """The scores of every theta on one batch, [n_thetas, n_lives]."""

    def from_theta(start: int) -> np.ndarray:
        members = list(thetas[start : start + MEMBERS])
        padding = [members[-1]] * (MEMBERS - len(members))
        _, metrics = search_loop.evaluate(problem, _stacked(members + padding), batch)
        return np.asarray(metrics[name], np.float64)[: len(members)]

    starts = range(0, len(thetas), MEMBERS)
    # The first call compiles the program, which the others then share.
    rows = [from_theta(starts[0])]
    with ThreadPoolExecutor(THREADS) as pool:
        rows += pool.map(from_theta, starts[1:])
    return np.concatenate(rows)


def difference(subject: Subject, one: np.ndarray, other: np.ndarray) -> Difference:
    """How much better the scores `one` [n_lives] are than the scores `other` [n_lives]."""
    finite = np.isfinite(one) & np.isfinite(other)
    not_finite = int((~np.isfinite(one)).sum())
    by = subject.better_by(one[finite], other[finite])
    if not len(by):
        nothing = Estimate(float("nan"), float("nan"), float("nan"), 0)
        return Difference(nothing, float("nan"), not_finite)
    error = float("nan")
    if len(by) > 1:
        error = float(by.std(ddof=1) / np.sqrt(len(by)))
    return Difference(estimate([by]), error, not_finite)


def negligible(everything: float) -> float:
    """The size of a difference that does not matter, whatever its standard error is.

    It is a thousandth of what all terms together are worth. Lives may be so alike that a difference
    in the last digits is far from 0 in standard errors.

    Args:
        everything: what all terms together are worth.
    """
    if everything > 0.0:
        return NEGLIGIBLE * everything
    return 0.0


def _stacked(thetas: Sequence[Theta]) -> Theta:
    return jax.tree.map(lambda *leaves: np.stack([np.asarray(leaf) for leaf in leaves]), *thetas)
