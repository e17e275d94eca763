"""Sparsity: an L1 penalty on the rule, added to another objective."""

from typing import Annotated

import jax
import jax.numpy as jnp
from jax import Array

from metaplast.objectives.base import AbstractObjective
from metaplast.objectives.mean_loss import MeanLoss
from metaplast.registry import register
from metaplast.signals import TaskShape, Theta, Trace
from metaplast.spec import NonNegative, plugin, spec


@register("objective", "l1")
@spec
class L1(AbstractObjective):
    """objective + strength * sum |theta["rules"]|: every leaf of a rule is neutral at 0."""

    objective: Annotated[AbstractObjective, plugin("objective")] = MeanLoss()
    strength: NonNegative = 1e-7

    def loss(self, theta: Theta, trace: Trace, shape: TaskShape) -> Array:
        penalty = sum((jnp.sum(jnp.abs(leaf)) for leaf in jax.tree.leaves(theta["rules"])), jnp.zeros(()))
        return self.objective.loss(theta, trace, shape) + self.strength * penalty
