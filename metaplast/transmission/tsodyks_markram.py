"""Short-term plasticity: facilitation and depression of transmitted spikes."""

import math
from typing import Annotated, ClassVar

import jax.numpy as jnp
from annotated_types import Gt, Le
from jax import Array

from metaplast.registry import register
from metaplast.signals import Theta
from metaplast.spec import NonNegative, spec
from metaplast.transmission.base import AbstractTransmission


@register("transmission", "tsodyks_markram")
@spec
class TsodyksMarkram(AbstractTransmission):
    """A share x of the resources is available, and a spike releases the share u of it.

    In every step, for output s:

        u <- exp(-dt / tau_f) u                      exact recovery over dt
        x <- 1 - exp(-dt / tau_d) (1 - x)            exact recovery over dt
        p = u + U (1 - u)
        transmitted = p x s / U
        u <- u + U (1 - u) s
        x <- x - p x s

    s [n_pre]: spikes 0/1, or rate * dt (small), which gives the means of the original equations.
    u, x [n_pre]: dimensionless, 0 and 1 at rest.
    U: utilisation.

    After long silence p x / U = 1: s arrives unchanged. For a spike, p is the u after its jump. A
    train of interval T settles at

        p = U / (1 - (1 - U) exp(-T / tau_f))                            in a long train
        x = (1 - exp(-T / tau_d)) / (1 - (1 - p) exp(-T / tau_d))        in a long train

    Args:
        utilisation: U, in (0, 1].
        tau_f: time constant of the recovery from facilitation, in seconds.
        tau_d: time constant of the recovery from depression, in seconds.

    Limits: tau_f = 0: no facilitation, p = U. tau_d = 0: no depression, x = 1. Both: instant
    transmission.
    Defaults: the excitatory synapse of Tsodyks, Uziel & Markram 2000, as in NEST.
    Source: Tsodyks, Pawelzik & Markram 1998.
    """

    keeps_silence: ClassVar[bool] = True

    utilisation: Annotated[float, Gt(0), Le(1)] = 0.5
    tau_f: NonNegative = 0.0
    tau_d: NonNegative = 0.8

    def init_state(self, n_pre: int, dt: float) -> Theta:
        return {"u": jnp.zeros(n_pre), "x": jnp.ones(n_pre)}

    def step(self, state: Theta, pre: Array, dt: float) -> tuple[Theta, Array]:
        u = _left(dt, self.tau_f) * state["u"]
        x = 1.0 - _left(dt, self.tau_d) * (1.0 - state["x"])
        jump = self.utilisation * (1.0 - u)
        released = (u + jump) * x * pre
        return {"u": u + jump * pre, "x": x - released}, released / self.utilisation


def _left(dt: float, tau: float) -> float:
    """The share that is left after dt of a quantity that decays with tau; 0 for tau = 0."""
    return math.exp(-dt / tau) if tau > 0 else 0.0
