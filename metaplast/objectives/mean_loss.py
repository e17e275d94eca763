"""The loss averaged over the whole life."""

from jax import Array

from metaplast.objectives.base import AbstractObjective, Lived, part_of_mean, weighted_mean
from metaplast.registry import register
from metaplast.signals import Score, TaskShape, Theta
from metaplast.spec import spec


@register("objective", "mean_loss")
@spec
class MeanLoss(AbstractObjective):
    """The weighted mean of the loss over all steps of a life.

        loss = sum_t a_t l_t / n
        n = sum_t a_t

    l_t: the loss of step t, as the task scores it.
    a_t: the weight of step t, as the task gives it.

    Source: elementary.
    """

    def loss(self, theta: Theta, lived: Lived) -> Array:
        return weighted_mean(lived.trace.score)

    def window(self, theta: Theta, score: Score, shape: TaskShape, start: Array) -> Array:
        return part_of_mean(score, start, 0, shape.n_steps)
