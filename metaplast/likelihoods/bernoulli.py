"""Yes or no, spike or none."""

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from metaplast.likelihoods.base import AbstractLikelihood, demand_values
from metaplast.registry import register
from metaplast.signals import Key
from metaplast.spec import spec

_EDGE = 1e-6


@register("likelihood", "bernoulli")
@spec
class Bernoulli(AbstractLikelihood):
    """Yes or no, with the activity as the log odds.

        P(y_j = 1) = 1 / (1 + exp(-a_j))
        loss_j = log(1 + exp(a_j)) - y_j a_j

    a_j: the activity of unit j.
    y_j: the recorded value of unit j, 0 or 1.
    Source: elementary.
    """

    def loss(self, activity: Array, value: Array) -> Array:
        return jax.nn.softplus(activity) - value * activity

    def saturated(self, value: Array) -> Array:
        return jnp.zeros_like(value)

    def mean(self, activity: Array) -> Array:
        return jax.nn.sigmoid(activity)

    def activity(self, mean: np.ndarray) -> np.ndarray:
        p = np.clip(mean, _EDGE, 1.0 - _EDGE)
        return np.log(p) - np.log1p(-p)

    def channels(self, n_out: int) -> tuple[str, ...]:
        """P(y = 1) of a choice, whose log odds are `post`."""
        return ("probability",) if n_out == 1 else ()

    def draw(self, key: Key, activity: Array, spread: Array) -> Array:
        return jax.random.bernoulli(key, jax.nn.sigmoid(activity)).astype(activity.dtype)

    def check(self, values: np.ndarray) -> None:
        bad = values[(values != 0) & (values != 1)]
        demand_values(
            not bad.size, bad, "0 or 1", "use likelihood=categorical for more than two choices"
        )
