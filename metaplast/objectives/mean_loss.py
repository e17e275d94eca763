"""The loss averaged over the whole life."""

from jax import Array

from metaplast.objectives.base import AbstractObjective, Lived, part_of_mean, weighted_mean
from metaplast.registry import register
from metaplast.signals import Score, TaskShape, Theta
from metaplast.spec import spec


@register("objective", "mean_loss")
@spec
class MeanLoss(AbstractObjective):
    """sum_t weight_t loss_t / sum_t weight_t over all steps."""

    def loss(self, theta: Theta, lived: Lived) -> Array:
        return weighted_mean(lived.trace.score)

    def window(self, theta: Theta, score: Score, shape: TaskShape, start: Array) -> Array:
        return part_of_mean(score, start, 0, shape.n_steps)
