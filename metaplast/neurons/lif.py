"""Leaky integrate-and-fire, driven by currents and conductances."""

from typing import ClassVar, Literal

import jax.numpy as jnp
from jax import Array

from metaplast.neurons._surrogates import Name, Surrogate, spike
from metaplast.neurons.base import AbstractNeuron
from metaplast.registry import BadInput, register
from metaplast.signals import Key, NeuronView, Theta, neuron_view
from metaplast.spec import NonNegative, Positive, spec


@register("neuron", "lif")
@spec
class Lif(AbstractNeuron):
    """tau_m dV/dt = (v_rest - V) + I + g_e (e_excitatory - V) + g_i (e_inhibitory - V), by an exponential Euler step:

        G = 1 + g_e + g_i;   alpha = exp(-dt G / tau_m);   V_inf = (v_rest + I + g_e e_excitatory + g_i e_inhibitory)/G
        V <- V_inf + alpha (V - V_inf);   z = H(V - threshold) on this new V;   V <- v_reset where z = 1

    Exact while the drive is constant. After a spike V is held at v_reset for `refractory` s (rounded to whole steps).
    Ports: soma, I signed, in units of V; excitatory, inhibitory: g >= 0 in units of the leak. V is dimensionless by
    default (0 rest, 1 threshold); times (tau_m, refractory) in seconds.
    soma_input: `steady_state`: a constant I shifts V_inf by I / G, one step moves V by (1 - alpha) I / G; `jump`: I is
    no part of V_inf and is added to V after the relaxation: a spike of weight w moves V by w at any dt.
    View: activity z (0/1), potential V before the reset, gain the surrogate derivative at V - threshold (0 while
    refractory): `dampening` times that of `surrogate` at `slope` (0: its own). The reset passes no surrogate gradient.
    State: v [n], remaining [n] (refractory steps to go). No theta.
    Limits: g = 0 and constant I: period tau_m ln((v_rest + I - v_reset) / (v_rest + I - threshold)) + refractory.
    Raises: BadInput where v_reset is not below threshold.
    """

    ports: ClassVar[tuple[str, ...]] = ("soma", "excitatory", "inhibitory")

    tau_m: Positive = 20e-3
    v_rest: float = 0.0
    threshold: float = 1.0
    v_reset: float = 0.0
    e_excitatory: float = 14 / 3
    e_inhibitory: float = -1 / 3
    refractory: NonNegative = 2e-3
    soma_input: Literal["steady_state", "jump"] = "steady_state"
    surrogate: Name = "superspike"
    slope: NonNegative = 0.0
    dampening: Positive = 1.0

    def __post_init__(self) -> None:
        if not self.v_reset < self.threshold:
            raise BadInput(f"v_reset={self.v_reset}", f"a value below threshold={self.threshold}", "lower v_reset")

    def init(self, key: Key, n: int) -> Theta:
        return {}

    def init_state(self, theta: Theta, n: int) -> Theta:
        return {"v": jnp.zeros(n) + self.v_rest, "remaining": jnp.zeros(n)}

    def step(
        self, theta: Theta, state: Theta, drive: dict[str, Array], dt: float, key: Key
    ) -> tuple[Theta, NeuronView]:
        ready = (state["remaining"] <= 0).astype(state["v"].dtype)
        v = jnp.where(ready > 0, self._relaxed(state["v"], drive, dt), state["v"])
        above = v - self.threshold
        derivative = Surrogate(self.surrogate, self.slope, self.dampening)(above)
        z, gain = ready * spike(above, derivative), ready * derivative
        fired = z > 0
        held = float(round(self.refractory / dt))
        new = {
            "v": jnp.where(fired, self.v_reset, v),
            "remaining": jnp.where(fired, held, jnp.maximum(state["remaining"] - 1.0, 0.0)),
        }
        return new, neuron_view(z, v, gain)

    def _relaxed(self, v: Array, drive: dict[str, Array], dt: float) -> Array:
        g_e, g_i, current = drive["excitatory"], drive["inhibitory"], drive["soma"]
        total = 1.0 + g_e + g_i
        alpha = jnp.exp(-dt / self.tau_m * total)
        pulled = self.v_rest + g_e * self.e_excitatory + g_i * self.e_inhibitory
        if self.soma_input == "steady_state":
            target = (pulled + current) / total
            return target + alpha * (v - target)
        target = pulled / total
        return target + alpha * (v - target) + current
