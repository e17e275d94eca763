"""The two-variable spiking neuron of Izhikevich."""

import math
from typing import ClassVar, Literal

import jax.numpy as jnp
from jax import Array

from metaplast.neurons._riccati import flow
from metaplast.neurons._upstroke import MS, UpstrokeNeuron
from metaplast.registry import register
from metaplast.signals import Theta
from metaplast.spec import Positive, spec

SQUARE = 0.04  # 1 / (mV ms)
VERTEX = -5.0 / (2.0 * SQUARE)  # mV: 0.04 v^2 + 5 v + 140 = 0.04 (v - VERTEX)^2 - LOWEST
LOWEST = 25.0 / (4.0 * SQUARE) - 140.0  # mV / ms


@register("neuron", "izhikevich")
@spec
class Izhikevich(UpstrokeNeuron):
    """A quadratic membrane with a slow recovery, in mV and ms.

        dv/dt = 0.04 v^2 + 5 v + 140 - u + I
        du/dt = a (b v - u)
        v <- c, u <- u + d                                          where v > v_peak

    v [n]: membrane potential, in mV.
    u [n]: recovery, in mV / ms.
    I [n]: the drive of the soma without a gain, in mV / ms.

    Times are in milliseconds, as in the paper; dt stays in seconds.

    View: activity z (0/1); v before the reset, cut at v_peak + width; gain of the surrogate in
    1 / mV. State: v, slow: u [n]. Both start at rest: v at the lower root of 0.04 v^2 + (5 - b) v +
    140 (the vertex where there is none), u = b v, which `starting` keeps. The paper's script begins
    at v = -65, and tests v >= 30 at the beginning of the next step: the same comparison, one step
    later.

    Args:
        v_peak: v at which a spike is sent, in mV.
        v_reset: c, in mV.
        jump: d, in mV / ms.
        width: mV (`UpstrokeNeuron`).
        substeps: parts of a step, which make each integration finer (`UpstrokeNeuron`).
        a: rate of the recovery, in 1 / ms.
        b: coupling of the recovery to v, in 1 / ms.
        integration: `exact`: u relaxes for half a step towards b v. Then v moves by the closed form
            of its quadratic at that u and I. Then u relaxes again. No step, however long, carries v
            across a rest. Under I from -200 to 200, at dt of 0.1 to 1 ms, it fires as a fine
            integration does, but each spike waits for the end of its step.
            `euler`: v and u move from the values before the step. `half_steps`: the paper's own, v
            in two half steps, then u from the new v. These two are of first order and overshoot
            where inhibition holds v low (`stable_dt`): at dt = 1 ms `euler` fires 250 times in 500
            ms under I = -100, where nothing should.

    Types: regular spiking a 0.02, b 0.2, c -65, d 8 (the defaults); intrinsically bursting c -55, d
    4; chattering c -50, d 2; fast spiking a 0.1, d 2; low-threshold spiking b 0.25, d 2.
    Limits: I above (5 - b)^2 / 0.16 - 140 = 4 leaves no rest, and the neuron fires on.
    Source: Izhikevich 2003.
    """

    drives: ClassVar[tuple[float, float]] = (-200.0, 200.0)

    a: Positive = 0.02
    b: float = 0.2
    integration: Literal["exact", "euler", "half_steps"] = "exact"

    @property
    def tau_u(self) -> float:
        """1 / a, in seconds."""
        return 1.0 / (MS * self.a)

    def init_state(self, theta: Theta, n: int) -> Theta:
        linear = 5.0 - self.b
        v = jnp.zeros(n) - (linear + math.sqrt(max(0.0, linear**2 - 4 * 0.04 * 140.0))) / (2 * 0.04)
        return {"v": v, "slow": self.b * v}

    def placed(self, state: Theta, potential: Array) -> Theta:
        return {**super().placed(state, potential), "slow": self.b * potential}

    def move(self, v: Array, slow: Array, current: Array, h: float) -> tuple[Array, Array]:
        if self.integration == "exact":
            kept = math.exp(-0.5 * h * self.a)
            slow = self.b * v + kept * (slow - self.b * v)
            end = self.v_peak + self.width - VERTEX
            v = flow(v - VERTEX, current - slow - LOWEST, SQUARE, h, end) + VERTEX
            return v, self.b * v + kept * (slow - self.b * v)
        if self.integration == "euler":
            return v + h * _slope(v, slow, current), slow + h * self.a * (self.b * v - slow)
        for _ in range(2):
            v = v + 0.5 * h * _slope(v, slow, current)
        return v, slow + h * self.a * (self.b * v - slow)


def _slope(v: Array, u: Array, current: Array) -> Array:
    """dv/dt in mV / ms."""
    return SQUARE * v**2 + 5.0 * v + 140.0 - u + current
