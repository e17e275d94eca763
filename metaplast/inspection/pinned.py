"""A problem in which some numbers of theta are held where they are."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp

from metaplast.problem.around import ThroughProblem
from metaplast.problem.lives import Batch, Births, Lives
from metaplast.problem.protocol import LossGradient, Problem, WindowGradient
from metaplast.signals import Key, Theta


@dataclass(frozen=True, eq=False)
class Pinned(ThroughProblem):
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

    def inner(self, theta: Theta) -> Theta:
        """The theta with which lives are lived."""
        return jax.tree.map(jnp.where, self.free, theta, self.held)

    def init(self, key: Key) -> Theta:
        """A theta drawn for the start of a search."""
        return self.inner(self.problem.init(key))

    def value_and_grad(self, theta: Theta, batch: Batch, tangents: int = 0) -> LossGradient:
        """The mean loss and its gradient, 0 for numbers that are held.

        See `Problem.value_and_grad`.
        """
        loss, gradient, metrics = self.problem.value_and_grad(self.inner(theta), batch, tangents)
        return LossGradient(loss, self._of_free(gradient), metrics)

    def window_gradient(
        self, theta: Theta, lives: Lives, births: Births, n_steps: int
    ) -> WindowGradient:
        """Every life `n_steps` further, and the gradient, 0 for numbers that are held.

        See `Problem.window_gradient`.
        """
        window = self.problem.window_gradient(self.inner(theta), lives, births, n_steps)
        return window._replace(gradient=self._of_free(window.gradient))

    def _of_free(self, gradient: Theta) -> Theta:
        return jax.tree.map(
            lambda free, leaf: jnp.where(free, leaf, jnp.zeros_like(leaf)), self.free, gradient
        )
