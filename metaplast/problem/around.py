"""A problem around another problem."""

from abc import abstractmethod

from metaplast.life.lifetime import Lifetime
from metaplast.objectives.base import AbstractObjective
from metaplast.problem.lives import Batch
from metaplast.problem.protocol import Problem
from metaplast.problem.unroll import Curriculum
from metaplast.signals import Key, TaskShape
from metaplast.tasks import Split


class AroundProblem(Problem):
    """A problem around `problem`: everything that does not see theta is the inner problem's.

    A subclass gives the field `problem`, `at`, `whole`, and every method that sees a theta.
    """

    problem: Problem

    @property
    def lifetime(self) -> Lifetime:
        """The lifetime of the inner problem."""
        return self.problem.lifetime

    @property
    def objective(self) -> AbstractObjective:
        """The objective of the inner problem."""
        return self.problem.objective

    @property
    def n_tasks(self) -> int:
        """The number of tasks in an outer step of the inner problem."""
        return self.problem.n_tasks

    @property
    def n_devices(self) -> int:
        """The number of devices of the inner problem."""
        return self.problem.n_devices

    def chunk_size(self, tangents: int = 0) -> int:
        """The number of lives of the inner problem that run in lockstep."""
        return self.problem.chunk_size(tangents)

    @property
    def unroll(self) -> int:
        """The steps of a training life of the inner problem; 0 for whole lives."""
        return self.problem.unroll

    @property
    def curriculum(self) -> Curriculum:
        """The curriculum of the inner problem."""
        return self.problem.curriculum

    def check(self) -> None:
        """Refuse parts of the inner problem that do not fit together. Raises: BadInput."""
        self.problem.check()

    @abstractmethod
    def at(self, index: int) -> "Problem":
        """The problem of outer step `index`, with the `unroll` of the curriculum."""

    @abstractmethod
    def whole(self) -> "Problem":
        """The problem whose lives are not cut short."""

    def shape(self) -> TaskShape:
        """The shape of the inner problem's task."""
        return self.problem.shape()

    def sample(self, key: Key, n: int, split: Split) -> Batch:
        """`n` tasks of the inner problem and the keys of their lives."""
        return self.problem.sample(key, n, split)
