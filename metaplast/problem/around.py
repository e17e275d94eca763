"""A problem around another problem."""

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Self

import jax
from jax import Array

from metaplast.life.lifetime import Lifetime
from metaplast.objectives.base import AbstractObjective
from metaplast.problem.lives import Batch, Births, Lives, Window
from metaplast.problem.protocol import Problem, same_theta
from metaplast.problem.unroll import Curriculum
from metaplast.signals import Key, Metrics, TaskShape, Theta
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


class ThroughProblem(AroundProblem):
    """A problem whose lives are lived with a function of theta: `inner(theta)`.

    A subclass is a dataclass with the field `problem`. It gives `inner`, `init`, and the methods
    with gradients, since each has its own slope.
    """

    @abstractmethod
    def inner(self, theta: Theta) -> Theta:
        """The theta with which lives are lived."""

    def at(self, index: int) -> Self:
        """The problem of outer step `index`, with the same function of theta."""
        return self._with(self.problem.at(index))

    def whole(self) -> Self:
        """The problem of whole lives, with the same function of theta."""
        return self._with(self.problem.whole())

    def losses(
        self,
        thetas: Any,
        batch: Batch,
        share: int | None = None,
        unravel: Callable[[Any], Theta] = same_theta,
    ) -> tuple[Array, Metrics]:
        """The mean loss of every member. See `Problem.losses`."""
        return self.problem.losses(self.all_inner(thetas, unravel), batch, share)

    def begin(self, thetas: Theta, batch: Batch, share: int | None = None) -> Lives:
        """The births of lives. See `Problem.begin`."""
        return self.problem.begin(self.all_inner(thetas), batch, share)

    def unborn(self, thetas: Theta, batch: Batch, share: int | None = None) -> Lives:
        """The places of lives before their birth. See `Problem.unborn`."""
        return self.problem.unborn(self.all_inner(thetas), batch, share)

    def advance(self, thetas: Theta, lives: Lives, n_steps: int) -> tuple[Lives, Window]:
        """Every life `n_steps` further. See `Problem.advance`."""
        return self.problem.advance(self.all_inner(thetas), lives, n_steps)

    def window_losses(
        self, thetas: Theta, lives: Lives, births: Births, n_steps: int
    ) -> tuple[Lives, Metrics]:
        """Every life `n_steps` further, and metrics. See `Problem.window_losses`."""
        return self.problem.window_losses(self.all_inner(thetas), lives, births, n_steps)

    def all_inner(self, thetas: Any, unravel: Callable[[Any], Theta] = same_theta) -> Theta:
        """The thetas of all members with which lives are lived.

        Args:
            thetas: of the members, along the leading axis of every leaf.
            unravel: makes a theta of one member.
        """
        return jax.vmap(lambda theta: self.inner(unravel(theta)))(thetas)

    def _with(self, problem: Problem) -> Self:
        fields: Any = self
        return replace(fields, problem=problem)
