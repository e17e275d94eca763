"""A searched rule in its task: the subject of every part of an inspection."""

from dataclasses import dataclass

import jax
import numpy as np

from metaplast.problem.meta_problem import MetaProblem
from metaplast.results import evaluate
from metaplast.reuse.rule_file import RuleFile
from metaplast.signals import Theta
from metaplast.tasks import Split


@dataclass(frozen=True)
class Subject:
    """A rule in its task.

    problem: the lives in which the rule was searched.
    theta: the numbers that the search chose, of the whole problem.
    seed: of the run; it draws all lives.
    metric: the name of the score, one of those that a life reports, or `loss`.
    larger_is_better: whether a larger score is better.
    file: the rule file.
    """

    problem: MetaProblem
    theta: Theta
    seed: int
    metric: str
    larger_is_better: bool
    file: RuleFile

    def scores(self, theta: Theta, split: Split, n: int) -> np.ndarray:
        """The score of every life [n] under a theta.

        The lives depend on the seed, the split and their index alone, so two thetas are compared on
        the same lives.
        """
        return evaluate.lives(self.problem, theta, self.seed, split, n)[self.metric]

    def better_by(self, one: np.ndarray, other: np.ndarray) -> np.ndarray:
        """How much better the scores `one` are than the scores `other`, life by life."""
        difference = np.asarray(one, np.float64) - np.asarray(other, np.float64)
        return difference if self.larger_is_better else -difference


def arrays(theta: Theta) -> Theta:
    """A theta of NumPy arrays."""
    return jax.tree.map(np.asarray, theta)
