"""The adaptive exponential integrate-and-fire neuron."""

from typing import ClassVar

import jax.numpy as jnp
from jax import Array

from metaplast.neurons._upstroke import MS, UpstrokeNeuron
from metaplast.registry import BadInput, register
from metaplast.signals import Theta
from metaplast.spec import Positive, spec

STEEPEST = 10.0
"""The largest (V - v_t) / delta_t.

Beyond it V rises by e^10 delta_t / tau_m, 4.7 V / ms, and is at its peak anyway.
"""


@register("neuron", "adex")
@spec
class Adex(UpstrokeNeuron):
    """A membrane with an exponential upstroke and a slow adaptation current.

        C dV/dt = -g_L (V - E_L) + g_L delta_t exp((V - v_t) / delta_t) - w + I
        tau_w dw/dt = a (V - E_L) - w
        V <- v_reset, w <- w + b                                    where V > v_peak

    V [n]: membrane potential, in mV.
    w [n]: adaptation current, in pA.
    I [n]: the drive of the soma, in pA.

    Both move by Euler steps of dt / substeps from the values before the step. The exponent is cut
    at 10: where it is, V is less than 0.02 ms from its peak.

    View: activity z (0/1); V before the reset, cut at v_peak + width; gain of the surrogate in
    1 / mV. State: v (from E_L), slow: w (from 0) [n].

    Args:
        v_peak: V at which a spike is sent, in mV.
        v_reset: V after a spike, in mV.
        jump: b, in pA.
        width: mV (`UpstrokeNeuron`).
        substeps: parts of a step (`UpstrokeNeuron`).
        capacitance: C, in pF.
        g_leak: g_L, in nS.
        e_leak: E_L, in mV.
        v_t: V at which the exponential current sets in, in mV.
        delta_t: sharpness of that, in mV.
        tau_w: time constant of the adaptation, in seconds.
        a: coupling of the adaptation to V, in nS.

    Raises:
        BadInput: where v_reset is not below v_peak.

    Limits: a = b = 0 and delta_t -> 0: leaky integrate-and-fire with threshold v_t and tau_m = C /
    g_L = 9.4 ms. For small I, a step of it settles at E_L + I / (g_L + a).
    Units are those of the paper; the defaults are its regular spiking cell.
    Source: Brette & Gerstner 2005.
    """

    drives: ClassVar[tuple[float, float]] = (-2000.0, 5000.0)

    v_peak: float = 20.0
    v_reset: float = -70.6
    jump: float = 80.5
    capacitance: Positive = 281.0
    g_leak: Positive = 30.0
    e_leak: float = -70.6
    v_t: float = -50.4
    delta_t: Positive = 2.0
    tau_w: Positive = 144e-3
    a: float = 4.0

    def __post_init__(self) -> None:
        if not self.v_reset < self.v_peak:
            raise BadInput(
                f"v_reset={self.v_reset}", f"a value below v_peak={self.v_peak}", "lower v_reset"
            )

    @property
    def tau_m(self) -> float:
        """C / g_L, in seconds."""
        return self.capacitance / (MS * self.g_leak)

    def init_state(self, theta: Theta, n: int) -> Theta:
        return {"v": jnp.zeros(n) + self.e_leak, "slow": jnp.zeros(n)}

    def move(self, v: Array, slow: Array, current: Array, h: float) -> tuple[Array, Array]:
        upstroke = self.delta_t * jnp.exp(jnp.minimum((v - self.v_t) / self.delta_t, STEEPEST))
        flow = self.g_leak * (upstroke - (v - self.e_leak)) - slow + current
        v_next = v + h * flow / self.capacitance
        adaptation = self.a * (v - self.e_leak) - slow
        return v_next, slow + h * adaptation / (MS * self.tau_w)
