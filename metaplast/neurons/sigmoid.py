"""Logistic sigmoid."""

import jax
from jax import Array

from metaplast.neurons.base import RateNeuron
from metaplast.registry import register
from metaplast.spec import Positive, spec


@register("neuron", "sigmoid")
@spec
class Sigmoid(RateNeuron):
    """A logistic unit.

        f(u) = 1 / (1 + exp(-beta u))
        f'(u) = beta f(u) (1 - f(u))

    u [n]: drive of the soma.

    Args:
        beta: the steepness, in 1 / unit of u; beta -> infinity gives a threshold at u = 0.

    Source: elementary.
    """

    beta: Positive = 1.0

    def activate(self, potential: Array) -> tuple[Array, Array]:
        activity = jax.nn.sigmoid(self.beta * potential)
        return activity, self.beta * activity * (1.0 - activity)
