"""Sparsity: an L1 penalty on the rule, added to another objective."""

from typing import Annotated, Any

import jax
import jax.numpy as jnp
from jax import Array

from metaplast.objectives.base import AbstractObjective, Lived
from metaplast.objectives.mean_loss import MeanLoss
from metaplast.registry import register
from metaplast.signals import Score, TaskShape, Theta
from metaplast.spec import NonNegative, plugin, spec
from metaplast.wiring import Wiring


@register("objective", "l1")
@spec
class L1(AbstractObjective):
    """An objective with a penalty on the rules: every leaf of a rule is neutral at 0.

        loss = objective + strength sum_k |theta_k|

    theta_k: a number of the thetas of all rules.

    Args:
        objective: the objective without the penalty.
        strength: the factor of the penalty.

    Source: Tibshirani 1996.
    """

    objective: Annotated[AbstractObjective, plugin("objective")] = MeanLoss()
    strength: NonNegative = 1e-7

    @property
    def needs(self) -> frozenset[str]:
        return self.objective.needs

    def check(self, task: Any, wiring: Wiring) -> None:
        self.objective.check(task, wiring)

    def loss(self, theta: Theta, lived: Lived) -> Array:
        return self.objective.loss(theta, lived) + self._penalty(theta)

    def window(self, theta: Theta, score: Score, shape: TaskShape, start: Array) -> Array:
        share = score.loss.shape[0] / shape.n_steps
        return self.objective.window(theta, score, shape, start) + share * self._penalty(theta)

    def _penalty(self, theta: Theta) -> Array:
        total = jnp.zeros(())
        for leaf in jax.tree.leaves(theta["rules"]):
            total = total + jnp.sum(jnp.abs(leaf))
        return self.strength * total
