"""Leaky integrate-and-fire, driven by currents and conductances."""

from typing import ClassVar, Literal

import jax.numpy as jnp
from jax import Array

from metaplast.neurons.base import ThresholdNeuron
from metaplast.registry import BadInput, register
from metaplast.signals import Key, NeuronView, Theta
from metaplast.spec import Positive, spec


@register("neuron", "conductance_lif")
@spec
class ConductanceLif(ThresholdNeuron):
    """tau_m dV/dt = (v_rest - V) + I + g_e (e_excitatory - V) + g_i (e_inhibitory - V), by an exponential Euler step:

        G = 1 + g_e + g_i;   alpha = exp(-dt G / tau_m);   V_inf = (v_rest + I + g_e e_excitatory + g_i e_inhibitory)/G
        V <- V_inf + alpha (V - V_inf);   z = H(V - threshold) on this new V;   V <- v_reset where z = 1

    Exact while the drive is constant. Ports: soma, I signed, in units of V; excitatory, inhibitory: g >= 0 in units of
    the leak. V is dimensionless by default (0 rest, 1 threshold); tau_m in seconds.
    soma_input: `steady_state`: a constant I shifts V_inf by I / G, one step moves V by (1 - alpha) I / G; `jump`: I is
    no part of V_inf and is added to V after the relaxation: a spike of weight w moves V by w at any dt.
    View: activity z (0/1), potential V before the reset, gain the surrogate derivative at V - threshold
    (`ThresholdNeuron`). The reset passes no surrogate gradient. State: v [n]. Refractoriness: neuron `refractory`.
    Limits: g = 0 is neuron `lif`; constant I and g: V_inf with the membrane time constant tau_m / G.
    Raises: BadInput where v_reset is not below threshold.
    Source: the reversal potentials, in units of threshold minus rest, are those of Urbanczik & Senn 2014.
    """

    ports: ClassVar[tuple[str, ...]] = ("soma", "excitatory", "inhibitory")

    tau_m: Positive = 20e-3
    v_rest: float = 0.0
    threshold: float = 1.0
    v_reset: float = 0.0
    e_excitatory: float = 14 / 3
    e_inhibitory: float = -1 / 3
    soma_input: Literal["steady_state", "jump"] = "steady_state"

    def __post_init__(self) -> None:
        if not self.v_reset < self.threshold:
            raise BadInput(f"v_reset={self.v_reset}", f"a value below threshold={self.threshold}", "lower v_reset")

    def init_state(self, theta: Theta, n: int) -> Theta:
        return {"v": jnp.zeros(n) + self.v_rest}

    def integrate(self, theta: Theta, state: Theta, drive: dict[str, Array], dt: float) -> Theta:
        g_e, g_i, current = drive["excitatory"], drive["inhibitory"], drive["soma"]
        total = 1.0 + g_e + g_i
        alpha = jnp.exp(-dt / self.tau_m * total)
        pulled = self.v_rest + g_e * self.e_excitatory + g_i * self.e_inhibitory
        if self.soma_input == "steady_state":
            target = (pulled + current) / total
            return {"v": target + alpha * (state["v"] - target)}
        target = pulled / total
        return {"v": target + alpha * (state["v"] - target) + current}

    def fire(self, theta: Theta, state: Theta, dt: float, key: Key) -> NeuronView:
        return self.crossing(theta, state["v"], self.threshold)

    def reset(self, theta: Theta, state: Theta, spikes: Array) -> Theta:
        return {"v": jnp.where(spikes > 0, self.v_reset, state["v"])}
