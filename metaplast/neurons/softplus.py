"""Smooth rectifier."""

import jax
from jax import Array

from metaplast.neurons.base import RateNeuron
from metaplast.registry import register
from metaplast.spec import Positive, spec


@register("neuron", "softplus")
@spec
class Softplus(RateNeuron):
    """A smooth rectifier: f(u) = log(1 + exp(beta u)) / beta, f'(u) = sigmoid(beta u).

    Args:
        beta: the sharpness, in 1 / unit of u; beta -> infinity gives the rectifier max(0, u).
    """

    beta: Positive = 10.0

    def activate(self, potential: Array) -> tuple[Array, Array]:
        scaled = self.beta * potential
        return jax.nn.softplus(scaled) / self.beta, jax.nn.sigmoid(scaled)
