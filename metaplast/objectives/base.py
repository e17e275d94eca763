"""What a life is worth to the outer loop."""

from abc import ABC, abstractmethod
from typing import Any, ClassVar, NamedTuple

import jax.numpy as jnp
from jax import Array

from metaplast.signals import Score, Synapses, TaskShape, Theta, Trace
from metaplast.wiring import Wiring


class Lived(NamedTuple):
    """A finished life: its task, the trace of all its steps, and the synapses it ended with."""

    task: Any
    trace: Trace
    synapses: dict[str, Synapses]
    shape: TaskShape


class AbstractObjective(ABC):
    """One number per life, to be made small. needs: what the task must offer (names of TaskShape.offers)."""

    needs: ClassVar[frozenset[str]] = frozenset()

    def check(self, task: Any, wiring: Wiring) -> None:  # noqa: B027
        """Refuse a task (its shapes) that does not fit the network. Raises: BadInput."""

    @abstractmethod
    def loss(self, theta: Theta, lived: Lived) -> Array:
        """The loss [] of one life."""


def weighted_mean(score: Score) -> Array:
    """sum_t weight_t loss_t / sum_t weight_t; 0 where no step counts."""
    total = jnp.sum(score.weight)
    return jnp.sum(score.weight * score.loss) / jnp.where(total > 0, total, 1.0)
