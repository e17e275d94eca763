"""A problem in which some numbers of theta are held where they are."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from metaplast.problem.around import AroundProblem
from metaplast.problem.lives import Batch, Births, Lives, Window
from metaplast.problem.protocol import LossGradient, Problem, WindowGradient, same_theta
from metaplast.signals import Key, Metrics, Theta


@dataclass(frozen=True, eq=False)
class Pinned(AroundProblem):
    """The problem whose lives are lived with some numbers held.

        theta' = theta where it is free, else held

    problem: the problem in which every number is free.
    free: True for every number that a search may move, a tree like theta.
    held: the numbers of all others, a tree like theta.

    `free` and `held` are arrays, so that many searches are members of one compiled program.
    """

    problem: Problem
    free: Theta
    held: Theta

    def pinned(self, theta: Theta) -> Theta:
        """The theta with which lives are lived."""
        return jax.tree.map(jnp.where, self.free, theta, self.held)

    def at(self, index: int) -> "Pinned":
        """The problem of outer step `index`, with the same numbers held."""
        return replace(self, problem=self.problem.at(index))

    def whole(self) -> "Pinned":
        """The problem of whole lives, with the same numbers held."""
        return replace(self, problem=self.problem.whole())

    def init(self, key: Key) -> Theta:
        """A theta drawn for the start of a search."""
        return self.pinned(self.problem.init(key))

    def losses(
        self,
        thetas: Any,
        batch: Batch,
        share: int | None = None,
        unravel: Callable[[Any], Theta] = same_theta,
    ) -> tuple[Array, Metrics]:
        """The mean loss of every member. See `Problem.losses`."""
        inner = jax.vmap(lambda theta: self.pinned(unravel(theta)))(thetas)
        return self.problem.losses(inner, batch, share)

    def value_and_grad(self, theta: Theta, batch: Batch, tangents: int = 0) -> LossGradient:
        """The mean loss and its gradient, 0 for numbers that are held.

        See `Problem.value_and_grad`.
        """
        loss, gradient, metrics = self.problem.value_and_grad(self.pinned(theta), batch, tangents)
        return LossGradient(loss, self._of_free(gradient), metrics)

    def begin(self, thetas: Theta, batch: Batch, share: int | None = None) -> Lives:
        """The births of lives. See `Problem.begin`."""
        return self.problem.begin(self._all_pinned(thetas), batch, share)

    def unborn(self, thetas: Theta, batch: Batch, share: int | None = None) -> Lives:
        """The places of lives before their birth. See `Problem.unborn`."""
        return self.problem.unborn(self._all_pinned(thetas), batch, share)

    def advance(self, thetas: Theta, lives: Lives, n_steps: int) -> tuple[Lives, Window]:
        """Every life `n_steps` further. See `Problem.advance`."""
        return self.problem.advance(self._all_pinned(thetas), lives, n_steps)

    def window_losses(
        self, thetas: Theta, lives: Lives, births: Births, n_steps: int
    ) -> tuple[Lives, Metrics]:
        """Every life `n_steps` further, and metrics. See `Problem.window_losses`."""
        return self.problem.window_losses(self._all_pinned(thetas), lives, births, n_steps)

    def window_gradient(
        self, theta: Theta, lives: Lives, births: Births, n_steps: int
    ) -> WindowGradient:
        """Every life `n_steps` further, and the gradient, 0 for numbers that are held.

        See `Problem.window_gradient`.
        """
        window = self.problem.window_gradient(self.pinned(theta), lives, births, n_steps)
        return window._replace(gradient=self._of_free(window.gradient))

    def _all_pinned(self, thetas: Theta) -> Theta:
        return jax.vmap(self.pinned)(thetas)

    def _of_free(self, gradient: Theta) -> Theta:
        return jax.tree.map(
            lambda free, leaf: jnp.where(free, leaf, jnp.zeros_like(leaf)), self.free, gradient
        )
