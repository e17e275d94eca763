"""Exponential synapse."""

import math

import jax.numpy as jnp
from jax import Array

from metaplast.registry import register
from metaplast.signals import Theta
from metaplast.spec import Positive, spec
from metaplast.transmission.base import AbstractTransmission


@register("transmission", "exponential")
@spec
class Exponential(AbstractTransmission):
    """The transmitted signal decays exactly, then jumps by the presynaptic output.

        s <- exp(-dt / tau) s + x

    x [n_pre]: presynaptic output.
    s [n_pre]: the transmitted signal, from 0.

    Args:
        tau: time constant of the decay, in seconds; tau -> 0 gives instant transmission.

    Source: elementary.
    """

    tau: Positive = 5e-3

    def init_state(self, n_pre: int, dt: float) -> Theta:
        return {"signal": jnp.zeros(n_pre)}

    def step(self, state: Theta, pre: Array, dt: float) -> tuple[Theta, Array]:
        signal = math.exp(-dt / self.tau) * state["signal"] + pre
        return {"signal": signal}, signal
