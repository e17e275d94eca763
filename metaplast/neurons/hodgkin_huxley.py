"""The neuron of Hodgkin and Huxley."""

import math
from dataclasses import replace
from typing import Annotated, ClassVar

import jax.numpy as jnp
from annotated_types import Gt, Le
from jax import Array, lax

from metaplast.neurons.base import ThresholdNeuron
from metaplast.registry import register
from metaplast.signals import Key, NeuronView, Theta
from metaplast.spec import NonNegative, Positive, spec

MS = 1e3  # milliseconds in a second: the equations are written in mV and ms
REST = -65.0
"""V in mV at which the paper counts its potentials from 0."""


@register("neuron", "hodgkin_huxley")
@spec
class HodgkinHuxley(ThresholdNeuron):
    """The squid axon: sodium and potassium channels whose gates follow the potential.

        C dV/dt = g_Na m^3 h (E_Na - V) + g_K n^4 (E_K - V) + g_L (E_L - V) + J
        J = I + g_L g_e (E_e - V) + g_L g_i (E_i - V)
        dx/dt = alpha_x (1 - x) - beta_x x                      for each gate x of m, h, n
        alpha_m = r((V + 40) / 10)
        beta_m = 4 exp(-(V + 65) / 18)
        alpha_h = 0.07 exp(-(V + 65) / 20)
        beta_h = 1 / (1 + exp(-(V + 35) / 10))
        alpha_n = 0.1 r((V + 55) / 10)
        beta_n = 0.125 exp(-(V + 65) / 80)
        r(a) = a / (1 - exp(-a))

    V [n]: membrane potential, in mV.
    m, h, n [n]: gates, 0 to 1. The rates alpha and beta are in 1 / ms, at 6.3 degrees Celsius.
    I [n]: the drive of the port `soma`, in uA / cm^2.
    g_e [n]: the drive of the port `excitatory`, a conductance >= 0, in units of the leak.
    g_i [n]: the drive of the port `inhibitory`, likewise.

    Each part of a step is exponential Euler: V and every gate decay exactly towards the value that
    the others, as they were before the part, give them. A spike is sent in the step in which V
    rises above `threshold`. V is not reset: it falls by itself, and no spike follows before it has.

    View: activity z (0/1); the largest V of the parts of the step, as the potential that decides;
    gain of the surrogate in 1 / mV, 0 where V began the step above the threshold. State: v, m, h, n
    (at rest), top (that largest V), risen (1 where V began the step above the threshold) [n].

    Args:
        capacitance: C, in uF / cm^2.
        g_sodium: g_Na, in mS / cm^2.
        g_potassium: g_K, in mS / cm^2.
        g_leak: g_L, in mS / cm^2.
        e_sodium: E_Na, in mV.
        e_potassium: E_K, in mV.
        e_leak: E_L, in mV.
        e_excitatory: E_e, in mV.
        e_inhibitory: E_i, in mV.
        threshold: V above which a rising V sends a spike, in mV.
        width: mV; the argument of the surrogate is x = (V - threshold) / width.
        part: seconds, at most 1 ms; a step is cut into the fewest equal parts that are no longer.

    Limits: g_sodium = g_potassium = 0 is a leaky membrane with tau_m = C / g_L, without spikes.
    Source: Hodgkin & Huxley 1952, with potentials turned and counted from -65 mV at rest, as in
    Dayan & Abbott 2001.
    """

    ports: ClassVar[tuple[str, ...]] = ("soma", "excitatory", "inhibitory")
    drives: ClassVar[tuple[float, float]] = (-20.0, 60.0)

    capacitance: Positive = 1.0
    g_sodium: NonNegative = 120.0
    g_potassium: NonNegative = 36.0
    g_leak: Positive = 0.3
    e_sodium: float = 50.0
    e_potassium: float = -77.0
    e_leak: float = -54.387
    e_excitatory: float = 0.0
    e_inhibitory: float = -80.0
    threshold: float = -20.0
    width: Positive = 20.0
    part: Annotated[float, Gt(0), Le(1e-3)] = 50e-6

    @property
    def lowering(self) -> tuple[str, ...]:
        reversals = {"excitatory": self.e_excitatory, "inhibitory": self.e_inhibitory}
        return tuple(port for port, e in reversals.items() if e < self.threshold)

    def stable_dt(self) -> float:
        return math.inf  # a part is stable, and a longer step has more parts

    def init_state(self, theta: Theta, n: int) -> Theta:
        state = {"v": jnp.zeros(n) + REST, "top": jnp.zeros(n) + REST, "risen": jnp.zeros(n)}
        for gate, (opens, closes) in _rates(state["v"]).items():
            state[gate] = opens / (opens + closes)
        return state

    def integrate(self, theta: Theta, state: Theta, drive: dict[str, Array], dt: float) -> Theta:
        n_parts = self._n_parts(dt)
        h = MS * dt / n_parts
        membrane = {name: state[name] for name in ("v", "m", "h", "n")}

        def further(_: Array, carry: tuple[Theta, Array]) -> tuple[Theta, Array]:
            membrane, top = carry
            moved = self._moved(membrane, drive, h)
            return moved, jnp.maximum(top, moved["v"])

        moved = self._moved(membrane, drive, h)
        top = moved["v"]
        if n_parts > 1:
            moved, top = lax.fori_loop(1, n_parts, further, (moved, top))
        risen = (state["v"] > self.threshold).astype(top.dtype)
        return {**moved, "top": top, "risen": risen}

    def unspiked(
        self, theta: Theta, state: Theta, drive: dict[str, Array], dt: float, key: Key
    ) -> Theta:
        """The state after one part of the step: where a part is stable, so is the step."""
        return self.integrate(theta, state, drive, dt / self._n_parts(dt))

    def _n_parts(self, dt: float) -> int:
        return max(1, math.ceil(dt / self.part - 1e-9))

    def _moved(self, membrane: Theta, drive: dict[str, Array], h: float) -> Theta:
        """V and the gates after `h` milliseconds."""
        v = membrane["v"]
        moved = {}
        for gate, (opens, closes) in _rates(v).items():
            end = opens / (opens + closes)
            moved[gate] = end + jnp.exp(-h * (opens + closes)) * (membrane[gate] - end)
        conductances = (
            (self.g_sodium * membrane["m"] ** 3 * membrane["h"], self.e_sodium),
            (self.g_potassium * membrane["n"] ** 4, self.e_potassium),
            (self.g_leak, self.e_leak),
            (self.g_leak * drive["excitatory"], self.e_excitatory),
            (self.g_leak * drive["inhibitory"], self.e_inhibitory),
        )
        total = jnp.zeros_like(v)
        pull = drive["soma"]
        for g, e in conductances:
            total = total + g
            pull = pull + g * e
        end = pull / total
        return {**moved, "v": end + jnp.exp(-h / self.capacitance * total) * (v - end)}

    def fire(self, theta: Theta, state: Theta, dt: float, key: Key) -> NeuronView:
        view = self.crossing(theta, state["top"], self.threshold, self.width)
        rising = 1.0 - state["risen"]
        return replace(view, activity=rising * view.activity, gain=rising * view.gain)

    def reset(self, theta: Theta, state: Theta, spikes: Array) -> Theta:
        return state


def _rates(v: Array) -> dict[str, tuple[Array, Array]]:
    """{gate: (alpha, beta)} at potentials v [n] in mV, each in 1 / ms."""
    return {
        "m": (_ramp((v + 40.0) / 10.0), 4.0 * jnp.exp(-(v + 65.0) / 18.0)),
        "h": (0.07 * jnp.exp(-(v + 65.0) / 20.0), 1.0 / (1.0 + jnp.exp(-(v + 35.0) / 10.0))),
        "n": (0.1 * _ramp((v + 55.0) / 10.0), 0.125 * jnp.exp(-(v + 65.0) / 80.0)),
    }


def _ramp(a: Array) -> Array:
    """a / (1 - exp(-a)), 1 + a / 2 near 0."""
    near = jnp.abs(a) < 1e-5
    safe = jnp.where(near, 1.0, a)
    return jnp.where(near, 1.0 + a / 2.0, safe / -jnp.expm1(-safe))
