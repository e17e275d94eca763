"""A problem as an outer loop sees it in the coordinates of a space."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
from jax import Array

from metaplast.problem.around import AroundProblem
from metaplast.problem.coordinates import Space, decode, encode
from metaplast.problem.lives import Batch, Births, Lives, Window
from metaplast.problem.protocol import LossGradient, Problem, WindowGradient, same_theta
from metaplast.signals import Key, Metrics, Theta


@dataclass(frozen=True)
class SearchedProblem(AroundProblem):
    """A problem in the coordinates of a space: its methods take z where `problem` takes theta.

    problem: the problem of theta
    space: the coordinates z
    """

    problem: Problem
    space: Space

    def at(self, index: int) -> "SearchedProblem":
        """The problem of outer step `index`, in the same coordinates."""
        return SearchedProblem(self.problem.at(index), self.space)

    def whole(self) -> "SearchedProblem":
        """The problem of whole lives, in the same coordinates."""
        return SearchedProblem(self.problem.whole(), self.space)

    def init(self, key: Key) -> Theta:
        """The coordinates of a theta drawn for the start of a search."""
        return encode(self.space, self.problem.init(key))

    def losses(
        self,
        thetas: Any,
        batch: Batch,
        share: int | None = None,
        unravel: Callable[[Any], Theta] = same_theta,
    ) -> tuple[Array, Metrics]:
        """The mean loss of every member, given by its coordinates. See `Problem.losses`."""
        return self.problem.losses(thetas, batch, share, lambda z: decode(self.space, unravel(z)))

    def value_and_grad(self, theta: Theta, batch: Batch, tangents: int = 0) -> LossGradient:
        """The mean loss and its gradient in the coordinates z, given as `theta`.

            d loss / d z = d loss / d theta * d theta / d z

        The gradient of a life is clipped before, in theta. See `Problem.value_and_grad`.
        """
        true_theta, pull_back = jax.vjp(lambda z: decode(self.space, z), theta)
        loss, gradient, metrics = self.problem.value_and_grad(true_theta, batch, tangents)
        return LossGradient(loss, pull_back(gradient)[0], metrics)

    def begin(self, thetas: Theta, batch: Batch, share: int | None = None) -> Lives:
        """The births of lives, their members given by coordinates. See `Problem.begin`."""
        return self.problem.begin(decode(self.space, thetas), batch, share)

    def unborn(self, thetas: Theta, batch: Batch, share: int | None = None) -> Lives:
        """The places of lives before their birth. See `Problem.unborn`."""
        return self.problem.unborn(decode(self.space, thetas), batch, share)

    def advance(self, thetas: Theta, lives: Lives, n_steps: int) -> tuple[Lives, Window]:
        """Every life `n_steps` further, its member given by coordinates."""
        return self.problem.advance(decode(self.space, thetas), lives, n_steps)

    def window_losses(
        self, thetas: Theta, lives: Lives, births: Births, n_steps: int
    ) -> tuple[Lives, Metrics]:
        """Every life `n_steps` further, and metrics of each. See `Problem.window_losses`."""
        return self.problem.window_losses(decode(self.space, thetas), lives, births, n_steps)

    def window_gradient(
        self, theta: Theta, lives: Lives, births: Births, n_steps: int
    ) -> WindowGradient:
        """Every life `n_steps` further, and the gradient of the window in the coordinates.

        See `Problem.window_gradient`.
        """
        true_theta, pull_back = jax.vjp(lambda z: decode(self.space, z), theta)
        window = self.problem.window_gradient(true_theta, lives, births, n_steps)
        return window._replace(gradient=pull_back(window.gradient)[0])
