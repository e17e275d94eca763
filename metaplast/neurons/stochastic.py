"""A leaky spiking unit that fires by lot, the likelier the higher its potential."""

import math
from typing import ClassVar, Literal

import jax
import jax.numpy as jnp
from jax import Array, lax

from metaplast.neurons._lot import drawn
from metaplast.neurons.base import SpikingNeuron
from metaplast.registry import register
from metaplast.signals import Key, NeuronView, Theta
from metaplast.spec import NonNegative, Positive, spec

STEEPEST = 30.0
"""(v - threshold) / width. Beyond it exp would overflow, and every step has its spike anyway."""


@register("neuron", "stochastic")
@spec
class Stochastic(SpikingNeuron):
    """v <- alpha v + zeta I, alpha = exp(-dt / tau_m);   P(z = 1) = p(v);   z in {0, 1}

    noise: `escape`: p = 1 - exp(-r dt), r = rate exp((v - threshold) / width), rate in hertz at the
    threshold;
    `sigmoid`: p = 1 / (1 + exp(-(v - threshold) / width)) per step, whatever dt (rate is not read).
    v, I [n] at the soma, threshold, width, v_reset: one unit; rest is 0; tau_m in seconds, 0: no
    memory, v = I.
    soma_input: `steady_state`: zeta = 1 - alpha, exact while I is constant; `jump`: zeta = 1.
    reset_mode: `none`;
    `value`: v <- v_reset where z = 1; `subtract`: v <- v - (threshold - v_reset) z.
    View: z, v before the reset, gain dp/dv (backward, z has the derivative of p: straight-through,
    exact on average only where the loss is linear in z; the reset passes none), score d log
    P(z)/dv: (z - p) / width for `sigmoid`, (r dt / width) (z / p - 1) for `escape`.
    Policy gradients: with tr_i <- alpha tr_i + zeta x_i, x what the synapse transmits, score_j tr_i
    summed over a trial is d log P(all spikes of the trial) / dw_ji, exactly, also in recurrence:
    given the spikes, v is linear in w. Not so under `value` (a spike forgets what came before, tr_i
    does not) or in a refractory `hold`. Rule `policy_gradient`.
    Limits: width -> 0 fires at the threshold; `escape` as dt -> 0 is a Poisson process, its score
    (z - r dt) / width.
    Source: Gerstner & Kistler 2002; Pfister, Toyoizumi, Barber & Gerstner 2006.
    """

    offers: ClassVar[frozenset[str]] = frozenset({"activity", "potential", "gain", "score"})

    tau_m: NonNegative = 20e-3
    noise: Literal["escape", "sigmoid"] = "escape"
    rate: Positive = 50.0
    threshold: float = 1.0
    width: Positive = 0.2
    soma_input: Literal["steady_state", "jump"] = "steady_state"
    reset_mode: Literal["none", "value", "subtract"] = "none"
    v_reset: float = 0.0

    def init(self, key: Key, n: int) -> Theta:
        return {}

    def init_state(self, theta: Theta, n: int) -> Theta:
        return {"v": jnp.zeros(n)}

    def integrate(self, theta: Theta, state: Theta, drive: dict[str, Array], dt: float) -> Theta:
        alpha = math.exp(-dt / self.tau_m) if self.tau_m else 0.0
        zeta = 1.0 if self.soma_input == "jump" else 1.0 - alpha
        return {"v": alpha * state["v"] + zeta * drive["soma"]}

    def stable_dt(self) -> float:
        return math.inf  # each equation is solved exactly while its drive is constant

    def fire(self, theta: Theta, state: Theta, dt: float, key: Key) -> NeuronView:
        v = state["v"]
        above = (v - self.threshold) / self.width
        if self.noise == "sigmoid":
            p = jax.nn.sigmoid(above)
            return drawn(key, v, p, p / self.width)
        expected = self.rate * dt * jnp.exp(jnp.minimum(above, STEEPEST))
        return drawn(key, v, -jnp.expm1(-expected), expected / self.width)

    def reset(self, theta: Theta, state: Theta, spikes: Array) -> Theta:
        v = state["v"]
        if self.reset_mode == "value":
            v = jnp.where(spikes > 0, self.v_reset, v)
        elif self.reset_mode == "subtract":
            v = v - (self.threshold - self.v_reset) * lax.stop_gradient(spikes)
        return {"v": v}
