"""Smooth rectifier."""

import jax
from jax import Array

from metaplast.neurons.base import RateNeuron
from metaplast.registry import register
from metaplast.spec import Positive, spec


@register("neuron", "softplus")
@spec
class Softplus(RateNeuron):
    """A smooth rectifier.

        f(u) = 1 / beta log(1 + exp(beta u))
        f'(u) = 1 / (1 + exp(-beta u))

    u [n]: drive of the soma, in the unit of the activity.

    Args:
        beta: the sharpness, in 1 / unit of u; beta -> infinity gives the rectifier max(0, u).

    Source: elementary.
    """

    beta: Positive = 10.0

    def activate(self, potential: Array) -> tuple[Array, Array]:
        scaled = self.beta * potential
        return jax.nn.softplus(scaled) / self.beta, jax.nn.sigmoid(scaled)
