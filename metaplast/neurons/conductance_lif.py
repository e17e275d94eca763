"""Leaky integrate-and-fire, driven by currents and conductances."""

import math
from typing import ClassVar, Literal

import jax.numpy as jnp
from jax import Array

from metaplast.neurons.base import ThresholdNeuron
from metaplast.registry import BadInput, register
from metaplast.signals import Key, NeuronView, Theta
from metaplast.spec import NonNegative, Positive, spec


@register("neuron", "conductance_lif")
@spec
class ConductanceLif(ThresholdNeuron):
    """A leaky membrane under a current and two conductances, by an exponential Euler step.

        tau_m dV/dt = (v_rest - V) + I + g_e (e_excitatory - V) + g_i (e_inhibitory - V)
        G = 1 + g_e + g_i
        alpha = exp(-dt G / tau_m)
        V_inf = (v_rest + I + g_e e_excitatory + g_i e_inhibitory) / G
        V <- V_inf + alpha (V - V_inf)
        z = H(V - threshold)                         on this new V
        V <- v_reset                                 where z = 1

    V [n]: membrane potential, dimensionless by default (0 rest, 1 threshold).
    I [n]: drive of the port `soma`, signed, in units of V.
    g_e [n]: conductance of the port `excitatory`, >= 0, in units of the leak.
    g_i [n]: conductance of the port `inhibitory`, >= 0, in units of the leak.

    The step is exact while the drive is constant.

    View: activity z (0/1); potential V before the reset; gain the surrogate derivative at V -
    threshold (`ThresholdNeuron`). The reset passes no surrogate gradient. State: v [n], and g [n]
    of each port with a tau. Refractoriness: neuron `refractory`.

    Args:
        tau_m: time constant of the membrane without a conductance, in seconds.
        v_rest: V at rest, in units of V.
        threshold: V at which a spike is sent, in units of V.
        v_reset: V after a spike, in units of V.
        e_excitatory: reversal potential, units of V.
        e_inhibitory: reversal potential, units of V.
        tau_excitatory: seconds. 0: g is the drive. Otherwise g <- exp(-dt / tau) g + drive, so that
            spikes may arrive. This is as after transmission `exponential`, but weighted with the
            synapse of the time of the spike.
        tau_inhibitory: the same of the other port.
        conductance_jumps: whether the drive of a step acts on V from this step on (`before`) or
            from the next one (`after`).
        soma_input: `steady_state`: a constant I shifts V_inf by I / G, and one step moves V by
            (1 - alpha) I / G. `jump`: I is no part of V_inf and is added to V after the relaxation:
            a spike of weight w moves V by w at any dt.

    Raises:
        BadInput: where v_reset is not below threshold, or conductance_jumps = after meets no
            conductance that decays.

    Limits: g = 0 is neuron `lif`. Constant I and g: V_inf with the membrane time constant
    tau_m / G.
    Source: the reversal potentials, in units of threshold minus rest, are those of Urbanczik & Senn
    2014.
    """

    ports: ClassVar[tuple[str, ...]] = ("soma", "excitatory", "inhibitory")

    tau_m: Positive = 20e-3
    v_rest: float = 0.0
    threshold: float = 1.0
    v_reset: float = 0.0
    e_excitatory: float = 14 / 3
    e_inhibitory: float = -1 / 3
    tau_excitatory: NonNegative = 0.0
    tau_inhibitory: NonNegative = 0.0
    conductance_jumps: Literal["before", "after"] = "before"
    soma_input: Literal["steady_state", "jump"] = "steady_state"

    def __post_init__(self) -> None:
        if not self.v_reset < self.threshold:
            raise BadInput(
                f"v_reset={self.v_reset}",
                f"a value below threshold={self.threshold}",
                "lower v_reset",
            )
        if self.conductance_jumps == "after" and not self._decays():
            raise BadInput(
                "conductance_jumps='after' with tau_excitatory=0 and tau_inhibitory=0",
                "a conductance that decays",
                "set the one or the other",
            )

    @property
    def lowering(self) -> tuple[str, ...]:
        reversals = {"excitatory": self.e_excitatory, "inhibitory": self.e_inhibitory}
        return tuple(port for port, e in reversals.items() if e < self.threshold)

    def init_state(self, theta: Theta, n: int) -> Theta:
        return {"v": jnp.zeros(n) + self.v_rest, **{port: jnp.zeros(n) for port in self._decays()}}

    def _decays(self) -> dict[str, float]:
        """Ports whose conductance decays, with the time constant."""
        both = {"excitatory": self.tau_excitatory, "inhibitory": self.tau_inhibitory}
        return {port: tau for port, tau in both.items() if tau > 0}

    def integrate(self, theta: Theta, state: Theta, drive: dict[str, Array], dt: float) -> Theta:
        g = {}
        acting = dict(drive)
        for port, tau in self._decays().items():
            g[port] = math.exp(-dt / tau) * state[port] + drive[port]
            acting[port] = g[port] if self.conductance_jumps == "before" else state[port]
        g_e = acting["excitatory"]
        g_i = acting["inhibitory"]
        current = drive["soma"]
        total = 1.0 + g_e + g_i
        alpha = jnp.exp(-dt / self.tau_m * total)
        pulled = self.v_rest + g_e * self.e_excitatory + g_i * self.e_inhibitory
        if self.soma_input == "steady_state":
            target = (pulled + current) / total
            return {"v": target + alpha * (state["v"] - target), **g}
        target = pulled / total
        return {"v": target + alpha * (state["v"] - target) + current, **g}

    def stable_dt(self) -> float:
        return math.inf  # each equation is solved exactly while its drive is constant

    def fire(self, theta: Theta, state: Theta, dt: float, key: Key) -> NeuronView:
        return self.crossing(theta, state["v"], self.threshold)

    def reset(self, theta: Theta, state: Theta, spikes: Array) -> Theta:
        return {**state, "v": jnp.where(spikes > 0, self.v_reset, state["v"])}
