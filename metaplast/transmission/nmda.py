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
    """x <- exp(-dt / tau_rise) x + max(0, z);   ds/dt = -s / tau_decay + rate x (1 - s),
        exact for this x:

        k = 1 / tau_decay + rate x;   s <- s_inf + (s - s_inf) exp(-k dt),  s_inf = rate x / k

    z [n_pre]: the presynaptic output (spikes, or rate * dt); x [n_pre]: transmitter; s [n_pre], in
    [0, 1): the open fraction, which is what the edge transmits. tau_rise, tau_decay in seconds,
    rate in hertz. Both start at 0. What is below 0 in z opens nothing. The voltage dependence
    (magnesium block) belongs to the postsynaptic
    side: none here. Of first order in dt, as x is held over a step. Limits: a train of mean rate r
    settles near s = c / (1 + c), c = tau_decay tau_rise rate r, r / 10 Hz by default; rate -> 0:
    linear in z, with the shape of `dual_exponential`.
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
