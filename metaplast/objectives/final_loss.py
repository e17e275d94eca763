"""The loss in the last phase of a life."""

import jax
from jax import Array

from metaplast.objectives.base import AbstractObjective, Lived, weighted_mean
from metaplast.registry import register
from metaplast.signals import Theta
from metaplast.spec import spec


@register("objective", "final_loss")
@spec
class FinalLoss(AbstractObjective):
    """The weighted mean of the loss over the steps of the last phase (usually queries with plasticity off)."""

    def loss(self, theta: Theta, lived: Lived) -> Array:
        n_last = lived.shape.phases[-1][0]
        return weighted_mean(jax.tree.map(lambda x: x[-n_last:], lived.trace.score))
