"""Synapse with a rise and a decay."""

import math

import jax.numpy as jnp
from jax import Array

from metaplast.numerics.propagator import passed_on
from metaplast.registry import register
from metaplast.signals import Theta
from metaplast.spec import Positive, spec
from metaplast.transmission.base import AbstractTransmission


@register("transmission", "dual_exponential")
@spec
class DualExponential(AbstractTransmission):
    """A spike at time 0 transmits s(t) = c (exp(-t / tau_decay) - exp(-t / tau_rise)).

        ds/dt = -s / tau_decay + k a
        da/dt = -a / tau_rise
        a <- a + z                                  after s has moved over dt

    z [n_pre]: presynaptic output.
    a [n_pre]: first stage, from 0.
    s [n_pre]: the transmitted signal, from 0; it is 0 at the time of the spike itself.
    c, k: constants that make the peak of s 1; k in 1 / second.

    These are two linear stages, each with an exact step. Either of the two time constants may be
    the larger one. The peak comes at t* = ln(tau_decay / tau_rise) tau_decay tau_rise /
    (tau_decay - tau_rise), and is seen whole only where a step falls on it.

    Args:
        tau_rise: time constant of the first stage, in seconds.
        tau_decay: time constant of the second stage, in seconds.

    Limits: tau_rise -> 0: `exponential`, but for the 0 at the time of the spike. tau_rise =
    tau_decay: the alpha function (t / tau) exp(1 - t / tau).
    Source: Rall 1967; Rotter & Diesmann 1999 (exact steps).
    """

    tau_rise: Positive = 1e-3
    tau_decay: Positive = 5e-3

    def init_state(self, n_pre: int, dt: float) -> Theta:
        return {"rising": jnp.zeros(n_pre), "signal": jnp.zeros(n_pre)}

    def step(self, state: Theta, pre: Array, dt: float) -> tuple[Theta, Array]:
        coming = passed_on(dt, self.tau_rise, self.tau_decay) / self._peak()
        signal = math.exp(-dt / self.tau_decay) * state["signal"] + coming * state["rising"]
        rising = math.exp(-dt / self.tau_rise) * state["rising"] + pre
        return {"rising": rising, "signal": signal}, signal

    def _peak(self) -> float:
        """The largest value of the second stage, tau_decay s' = -s + a, after a jump of a by 1."""
        apart = self.tau_decay / self.tau_rise - 1.0
        late = math.log1p(apart) / apart if apart else 1.0  # t* / tau_decay
        return self.tau_rise / self.tau_decay * math.exp(-late)
