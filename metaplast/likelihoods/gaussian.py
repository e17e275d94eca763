"""Graded activity with additive noise."""

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from metaplast.likelihoods.base import AbstractLikelihood
from metaplast.registry import register
from metaplast.signals import Key
from metaplast.spec import Positive, spec


@register("likelihood", "gaussian")
@spec
class Gaussian(AbstractLikelihood):
    """Graded values with additive noise. The activity is the expected value itself.

        loss = (y - a)^2 / (2 sd^2)
        y_j ~ N(a_j, sd^2)

    Args:
        sd: standard deviation, in units of y. It fixes the unit of the loss alone; deviance
            explained is then the share of variance explained.

    Source: elementary.
    """

    sd: Positive = 1.0

    def loss(self, activity: Array, value: Array) -> Array:
        return 0.5 * ((value - activity) / self.sd) ** 2

    def saturated(self, value: Array) -> Array:
        return jnp.zeros_like(value)

    def mean(self, activity: Array) -> Array:
        return activity

    def activity(self, mean: np.ndarray) -> np.ndarray:
        return mean

    def draw(self, key: Key, activity: Array, spread: Array) -> Array:
        return activity + spread * jax.random.normal(key, activity.shape, activity.dtype)

    def check(self, values: np.ndarray) -> None:
        """Every finite number is possible."""
