"""Spike counts."""

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from metaplast.likelihoods.base import AbstractLikelihood, demand_values
from metaplast.registry import register
from metaplast.signals import Key
from metaplast.spec import Positive, spec


@register("likelihood", "poisson")
@spec
class Poisson(AbstractLikelihood):
    """Counts of spikes: y_j ~ Poisson(m_j).

        m_j = max(a_j, floor)
        loss = m - y log m

    m [n_out]: the expected count of a step.

    Use an output whose activity is not negative (softplus, relu, sigmoid).

    Args:
        floor: the least m; it keeps the logarithm finite, and below it no gradient passes.

    Source: elementary.
    """

    floor: Positive = 1e-6

    def loss(self, activity: Array, value: Array) -> Array:
        m = self.mean(activity)
        return m - value * jnp.log(m)

    def saturated(self, value: Array) -> Array:
        return value - value * jnp.log(jnp.where(value > 0, value, 1.0))

    def mean(self, activity: Array) -> Array:
        return jnp.maximum(activity, self.floor)

    def activity(self, mean: np.ndarray) -> np.ndarray:
        return mean

    def draw(self, key: Key, activity: Array, spread: Array) -> Array:
        return jax.random.poisson(key, self.mean(activity)).astype(activity.dtype)

    def check(self, values: np.ndarray) -> None:
        whole = bool(np.all(values >= 0) and np.all(values == np.round(values)))
        bad = values[(values < 0) | (values != np.round(values))]
        demand_values(
            whole, bad, "counts: 0, 1, 2 ...", "count spikes per step, or use likelihood=gaussian"
        )
