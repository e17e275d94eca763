"""The loss in the last phase of a life."""

import jax
from jax import Array

from metaplast.objectives.base import AbstractObjective, Lived, part_of_mean, weighted_mean
from metaplast.registry import register
from metaplast.signals import Score, TaskShape, Theta
from metaplast.spec import spec


@register("objective", "final_loss")
@spec
class FinalLoss(AbstractObjective):
    """The weighted mean of the loss over the steps of the last phase.

        loss = sum_t a_t l_t / n             over the steps t of the last phase
        n = sum_t a_t                        over the same

    l_t: the loss of step t, as the task scores it.
    a_t: the weight of step t, as the task gives it.

    These are usually queries with plasticity off.
    Source: elementary.
    """

    def loss(self, theta: Theta, lived: Lived) -> Array:
        n_last = lived.shape.phases[-1][0]
        return weighted_mean(jax.tree.map(lambda x: x[-n_last:], lived.trace.score))

    def window(self, theta: Theta, score: Score, shape: TaskShape, start: Array) -> Array:
        return part_of_mean(score, start, shape.n_steps - shape.phases[-1][0], shape.n_steps)
