"""The loss averaged over the whole life."""

from jax import Array

from metaplast.objectives.base import AbstractObjective, Lived, weighted_mean
from metaplast.registry import register
from metaplast.signals import Theta
from metaplast.spec import spec


@register("objective", "mean_loss")
@spec
class MeanLoss(AbstractObjective):
    """sum_t weight_t loss_t / sum_t weight_t over all steps."""

    def loss(self, theta: Theta, lived: Lived) -> Array:
        return weighted_mean(lived.trace.score)
