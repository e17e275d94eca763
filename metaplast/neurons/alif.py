"""Leaky integrate-and-fire with an adaptive threshold."""

import math
from typing import Literal

import jax.numpy as jnp
from jax import Array

from metaplast.neurons._integrate_and_fire import IntegrateAndFire
from metaplast.registry import register
from metaplast.signals import Theta
from metaplast.spec import NonNegative, Positive, spec


@register("neuron", "alif")
@spec
class Alif(IntegrateAndFire):
    """A lif whose threshold follows its own spikes.

        A = threshold + beta b
        b <- rho b + z                     under adaptation `sum`
        b <- rho b + (1 - rho) z           under adaptation `mean`
        rho = exp(-dt / tau_a)

    b [n]: adaptation, dimensionless.
    z [n]: spikes of the last step.
    A [n]: the threshold, in units of V; it is updated before this step's spikes are decided.

    b passes the surrogate gradient of z on: the eligibility traces of e-prop rest on it. The reset
    passes none unless `reset_gradient`.

    View: as in `lif`; gain dz/dV, divided by A where surrogate_unit = adapted. State: as in `lif`,
    with spikes [n] always and adaptation [n].

    Args:
        tau_a: time constant of the adaptation, in seconds.
        beta: units of V: the growth of the threshold by one spike under `sum`, by z = 1 throughout
            under `mean`.
        adaptation: `sum` or `mean`.

    Every option of `IntegrateAndFire` is open too. LSNN and EPROP beside it are conventions of
    sources, each with its ADAPTATION. The defaults of tau_a and beta are ours.

    Raises:
        BadInput: see `IntegrateAndFire`.

    Limits: beta = 0 is lif. At a regular interval T, just before a spike, b = 1 / (exp(T / tau_a) -
    1) under `sum` for dt -> 0.
    Source: Bellec et al. 2018 (`mean`, LSNN), Bellec et al. 2020 (`sum`, e-prop).
    """

    tau_a: Positive = 200e-3
    beta: NonNegative = 0.1
    adaptation: Literal["sum", "mean"] = "sum"

    def init_state(self, theta: Theta, n: int) -> Theta:
        return {**super().init_state(theta, n), "spikes": jnp.zeros(n), "adaptation": jnp.zeros(n)}

    def adapt(self, state: Theta, dt: float) -> Theta:
        rho = math.exp(-dt / self.tau_a)
        share = 1.0 if self.adaptation == "sum" else 1.0 - rho
        return {**state, "adaptation": rho * state["adaptation"] + share * state["spikes"]}

    def level(self, state: Theta) -> float | Array:
        return self.threshold + self.beta * state["adaptation"]
