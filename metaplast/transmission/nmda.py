"""Saturating kinetics of NMDA receptors."""

import math

import jax.numpy as jnp
from jax import Array

from metaplast.registry import register
from metaplast.signals import Theta
from metaplast.spec import Positive, spec
from metaplast.transmission.base import AbstractTransmission


@register("transmission", "nmda")
@spec
class Nmda(AbstractTransmission):
    """The open fraction s of receptors; transmitter x opens them, and they saturate.

        x <- exp(-dt / tau_rise) x + max(0, z)
        ds/dt = -s / tau_decay + rate x (1 - s)
        s <- s_inf + (s - s_inf) exp(-k dt)          exact for this x
        k = 1 / tau_decay + rate x
        s_inf = rate x / k

    z [n_pre]: presynaptic output: spikes, or rate * dt; a part below 0 opens nothing.
    x [n_pre]: transmitter, from 0.
    s [n_pre]: the open fraction in [0, 1), from 0; it is the transmitted signal.

    The step is of first order in dt, as x is held over a step. The voltage dependence (magnesium
    block) belongs to the postsynaptic side: there is none here.

    Args:
        tau_rise: time constant of the transmitter, in seconds.
        tau_decay: time constant of the closing of receptors, in seconds.
        rate: of the opening of receptors at x = 1, in hertz.

    Limits: a train of mean rate r settles near s = c / (1 + c), c = tau_decay tau_rise rate r,
    which is r / 10 Hz by default. rate -> 0: linear in z, with the shape of `dual_exponential`.
    Source: Wang 1999; Compte et al. 2000 (2 ms, 100 ms, 0.5 / ms).
    """

    tau_rise: Positive = 2e-3
    tau_decay: Positive = 100e-3
    rate: Positive = 500.0

    def init_state(self, n_pre: int, dt: float) -> Theta:
        return {"transmitter": jnp.zeros(n_pre), "open": jnp.zeros(n_pre)}

    def step(self, state: Theta, pre: Array, dt: float) -> tuple[Theta, Array]:
        x = math.exp(-dt / self.tau_rise) * state["transmitter"] + jnp.maximum(pre, 0.0)
        opening = self.rate * x
        k = 1.0 / self.tau_decay + opening
        settled = opening / k
        s = settled + (state["open"] - settled) * jnp.exp(-dt * k)
        return {"transmitter": x, "open": s}, s
