"""A problem in which some numbers of theta are held at 0 and coefficients pay for their size."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from metaplast.problem.around import ThroughProblem
from metaplast.problem.lives import Batch, Births, Lives
from metaplast.problem.protocol import LossGradient, Problem, WindowGradient, same_theta
from metaplast.signals import Key, Metrics, Theta


@dataclass(frozen=True, eq=False)
class Penalised(ThroughProblem):
    """The problem of a loss with a penalty.

        loss(mask * theta) + strength * sum |mask * coefficients|

    The sum is over the coefficients of terms in theta["rules"].

    problem: the problem without a penalty
    mask: 0 or 1 for every number of theta, a tree like theta
    strength []: the price of one unit of a coefficient

    `mask` and `strength` are arrays, so that a path of penalties, and refits on a part of the
    terms, are members of one compiled program.
    """

    problem: Problem
    mask: Theta
    strength: Array

    def inner(self, theta: Theta) -> Theta:
        """The theta whose masked numbers are 0."""
        return jax.tree.map(jnp.multiply, theta, self.mask)

    def penalty(self, theta: Theta) -> Array:
        """The price [] of the coefficients in theta."""
        sizes = of_terms(
            lambda leaf: jnp.sum(jnp.abs(leaf)), lambda _: jnp.zeros(()), theta["rules"]
        )
        return self.strength * sum(jax.tree.leaves(sizes), jnp.zeros(()))

    def init(self, key: Key) -> Theta:
        """A theta drawn for the start of a search, not masked."""
        return self.problem.init(key)

    def losses(
        self,
        thetas: Any,
        batch: Batch,
        share: int | None = None,
        unravel: Callable[[Any], Theta] = same_theta,
    ) -> tuple[Array, Metrics]:
        """The mean loss of every member with its penalty; metrics are without it.

        See `Problem.losses`.
        """
        inner = self.all_inner(thetas, unravel)
        losses, metrics = self.problem.losses(inner, batch, share)
        return losses + jax.vmap(self.penalty)(inner), metrics

    def value_and_grad(self, theta: Theta, batch: Batch, tangents: int = 0) -> LossGradient:
        """The mean loss with the penalty, and its gradient. See `Problem.value_and_grad`."""
        inner = self.inner(theta)
        loss, gradient, metrics = self.problem.value_and_grad(inner, batch, tangents)
        penalised_loss = loss + self.penalty(inner)
        return LossGradient(
            penalised_loss,
            self._with_slope(inner, gradient),
            {**metrics, "loss": penalised_loss},
        )

    def window_losses(
        self, thetas: Theta, lives: Lives, births: Births, n_steps: int
    ) -> tuple[Lives, Metrics]:
        """Every life `n_steps` further; each window pays the whole penalty.

        The mean over the windows of a life is then the penalised loss of the life. See
        `Problem.window_losses`.
        """
        inner = self.all_inner(thetas)
        after, metrics = self.problem.window_losses(inner, lives, births, n_steps)
        penalty = jax.vmap(self.penalty)(inner)[lives.member]
        return after, {**metrics, "life_loss": metrics["life_loss"] + penalty}

    def window_gradient(
        self, theta: Theta, lives: Lives, births: Births, n_steps: int
    ) -> WindowGradient:
        """Every life `n_steps` further, and the gradient of the penalised loss of this window.

        See `Problem.window_gradient`.
        """
        inner = self.inner(theta)
        window = self.problem.window_gradient(inner, lives, births, n_steps)
        penalty = self.penalty(inner)
        return WindowGradient(
            lives=window.lives,
            gradient=self._with_slope(inner, window.gradient),
            metrics={**window.metrics, "loss": window.metrics["loss"] + penalty},
            losses=window.losses + penalty,
        )

    def _with_slope(self, inner: Theta, gradient: Theta) -> Theta:
        """The gradient at the masked theta `inner`, with the slope of the penalty, masked."""
        # JAX's own gradient of |x| at 0 is 1; sign says 0.
        slope = of_terms(lambda x: self.strength * jnp.sign(x), jnp.zeros_like, inner["rules"])
        rules = jax.tree.map(jnp.add, gradient["rules"], slope)
        return jax.tree.map(jnp.multiply, {**gradient, "rules": rules}, self.mask)


def of_terms(
    coefficients: Callable[[Any], Any], others: Callable[[Any], Any], rules: Theta
) -> Theta:
    """A function of the leaves of theta["rules"] that are coefficients of terms.

    Another function takes the rest, such as a learned rate. Only coefficients of terms can be taken
    out of a rule.
    """

    def apply(path: tuple[Any, ...], leaf: Any) -> Any:
        is_coefficients = bool(path) and getattr(path[-1], "key", "") == "coefficients"
        return coefficients(leaf) if is_coefficients else others(leaf)

    return jax.tree_util.tree_map_with_path(apply, rules)


def everything(theta: Theta) -> Theta:
    """The mask that holds no number at 0."""
    return jax.tree.map(jnp.ones_like, theta)


def stack(trees: list[Any]) -> Any:
    """Several trees as one, with a new leading axis."""
    return jax.tree.map(lambda *x: jnp.stack(x), *trees)
