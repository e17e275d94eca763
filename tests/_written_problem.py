"""Problems whose loss is written by hand: an outer loop needs no network to be tested."""

from abc import abstractmethod
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import jax
import jax.numpy as jnp
from jax import Array

from metaplast.life.lifetime import Lifetime
from metaplast.objectives.base import AbstractObjective
from metaplast.objectives.mean_loss import MeanLoss
from metaplast.problem.lives import Batch, Births, Lives, Window
from metaplast.problem.protocol import LossGradient, Problem, WindowGradient, same_theta
from metaplast.signals import Key, Metrics, TaskShape, Theta
from metaplast.tasks import Split

NO_BATCH = cast(Batch, None)
"""The batch of a problem whose loss has none."""


class WrittenProblem(Problem):
    """A problem of one life per member, whose loss a subclass writes by hand.

    Whatever needs lives under way is refused. differentiable: whether the task passes gradients.
    """

    def __init__(self, differentiable: bool = True) -> None:
        shape = SimpleNamespace(differentiable=differentiable)
        lifetime = SimpleNamespace(task=SimpleNamespace(shape=lambda: shape))
        self._lifetime = cast(Lifetime, lifetime)

    @abstractmethod
    def loss(self, theta: Theta, batch: Batch) -> Array:
        """The loss [] of a theta."""

    @property
    def lifetime(self) -> Lifetime:
        return self._lifetime

    @property
    def objective(self) -> AbstractObjective:
        return MeanLoss()

    @property
    def n_tasks(self) -> int:
        return 1

    @property
    def n_devices(self) -> int:
        return 1

    def chunk_size(self, tangents: int = 0) -> int:
        return 1

    @property
    def unroll(self) -> int:
        return 0

    @property
    def curriculum(self) -> tuple[()]:
        return ()

    def check(self) -> None:
        pass

    def at(self, index: int) -> "WrittenProblem":
        return self

    def whole(self) -> "WrittenProblem":
        return self

    def shape(self) -> TaskShape:
        return self.lifetime.task.shape()

    def init(self, key: Key) -> Theta:
        raise AssertionError("no theta is drawn")

    def sample(self, key: Key, n: int, split: Split) -> Batch:
        return NO_BATCH

    def losses(
        self,
        thetas: Any,
        batch: Batch,
        share: int | None = None,
        unravel: Callable[[Any], Theta] = same_theta,
    ) -> tuple[Array, Metrics]:
        losses = jax.vmap(lambda theta: self.loss(unravel(theta), batch))(thetas)
        return losses, metrics_of(losses)

    def value_and_grad(self, theta: Theta, batch: Batch, tangents: int = 0) -> LossGradient:
        loss, gradient = jax.value_and_grad(lambda t: self.loss(t, batch))(theta)
        metrics = {
            "loss": loss,
            "lives": jnp.asarray(1),
            "diverged": (~jnp.isfinite(loss)).astype(int),
        }
        return LossGradient(loss, gradient, metrics)

    def begin(self, thetas: Theta, batch: Batch, share: int | None = None) -> Lives:
        raise AssertionError("no life")

    def unborn(self, thetas: Theta, batch: Batch, share: int | None = None) -> Lives:
        raise AssertionError("no life")

    def advance(self, thetas: Theta, lives: Lives, n_steps: int) -> tuple[Lives, Window]:
        raise AssertionError("no life")

    def window_losses(
        self, thetas: Theta, lives: Lives, births: Births, n_steps: int
    ) -> tuple[Lives, Metrics]:
        raise AssertionError("no life")

    def window_gradient(
        self, theta: Theta, lives: Lives, births: Births, n_steps: int
    ) -> WindowGradient:
        raise AssertionError("no life")


def metrics_of(losses: Array) -> Metrics:
    """The metrics of `losses` [n_members], with one life each."""
    return {
        "life_loss": losses[:, None],
        "survived": jnp.ones((losses.size, 1)),
        "lives": jnp.asarray(losses.size),
        "diverged": jnp.sum(~jnp.isfinite(losses)),
    }
