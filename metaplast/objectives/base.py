"""What a life is worth to the outer loop."""

from abc import ABC, abstractmethod

import jax.numpy as jnp
from jax import Array

from metaplast.signals import Score, TaskShape, Theta, Trace


class AbstractObjective(ABC):
    """One number per life, to be made small."""

    @abstractmethod
    def loss(self, theta: Theta, trace: Trace, shape: TaskShape) -> Array:
        """The loss [] of one life from the trace of all its steps."""


def weighted_mean(score: Score) -> Array:
    """sum_t weight_t loss_t / sum_t weight_t; 0 where no step counts."""
    total = jnp.sum(score.weight)
    return jnp.sum(score.weight * score.loss) / jnp.where(total > 0, total, 1.0)
