"""One of several choices."""

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from metaplast.likelihoods.base import AbstractLikelihood, demand_values
from metaplast.registry import register
from metaplast.signals import Key
from metaplast.spec import spec

_EDGE = 1e-6


@register("likelihood", "categorical")
@spec
class Categorical(AbstractLikelihood):
    """One of several choices, one-hot over the n_out columns of y.

        P(choice = k) = softmax(a)_k
        loss = -log softmax(a)_k              where k is the recorded choice

    The n_out values of y are one recorded choice, so each counts 1 / n_out: loss_k = -n_out y_k log
    softmax(a)_k.
    Source: elementary.
    """

    def loss(self, activity: Array, value: Array) -> Array:
        return -activity.shape[-1] * value * jax.nn.log_softmax(activity)

    def saturated(self, value: Array) -> Array:
        return jnp.zeros_like(value)

    def mean(self, activity: Array) -> Array:
        return jax.nn.softmax(activity)

    def activity(self, mean: np.ndarray) -> np.ndarray:
        return np.log(np.clip(mean, _EDGE, None))

    def channels(self, n_out: int) -> tuple[str, ...]:
        """P(choice = k) of every option."""
        return tuple(f"probability_{k}" for k in range(n_out))

    def draw(self, key: Key, activity: Array, spread: Array) -> Array:
        choice = jax.random.categorical(key, activity)
        return jax.nn.one_hot(choice, activity.shape[-1], dtype=activity.dtype)

    def check(self, values: np.ndarray) -> None:
        bad = values[(values != 0) & (values != 1)]
        demand_values(
            not bad.size, bad, "0 or 1, one-hot over the choices", "give choices as integers from 0"
        )

    def share(self, n_out: int) -> np.ndarray:
        return np.full(n_out, 1.0 / n_out)
