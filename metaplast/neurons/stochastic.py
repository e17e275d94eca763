"""A leaky spiking unit that fires by lot, the likelier the higher its potential."""

import math
from typing import ClassVar, Literal

import jax
import jax.numpy as jnp
from jax import Array, lax

from metaplast.neurons._bernoulli import STOCHASTIC, draw_spikes
from metaplast.neurons.base import AbstractNeuron, SpikingNeuron
from metaplast.registry import register
from metaplast.signals import Key, NeuronView, Theta
from metaplast.spec import NonNegative, Positive, spec

STEEPEST = 30.0
"""The largest (v - threshold) / width.

Beyond it exp would overflow, and every step has its spike anyway.
"""


@register("neuron", "stochastic")
@spec
class Stochastic(SpikingNeuron):
    """A leaky membrane v that fires with a probability: P(z = 1) = p(v).

        v <- alpha v + zeta I
        alpha = exp(-dt / tau_m)
        p = 1 - exp(-r dt)                                under `escape`
        r = rate exp((v - threshold) / width)
        p = 1 / (1 + exp(-(v - threshold) / width))       under `sigmoid`, per step at any dt

    v [n]: membrane potential; rest is 0.
    I [n]: drive of the soma, in the unit of v.
    z [n]: spikes, 0/1.

    View: z; v before the reset; gain dp/dv; score d log P(z)/dv, which is (z - p) / width for
    `sigmoid`, (r dt / width) (z / p - 1) for `escape`; log_probability log P(z). Backward, z has
    the derivative of p (straight-through): it is exact on average only where the loss is linear in
    z. The reset passes no gradient.

    Policy gradients: let tr_i <- alpha tr_i + zeta x_i, with x the transmitted signal of the
    synapse. score_j tr_i summed over a trial is d log P(all spikes of the trial) / dw_ji, exactly,
    also in recurrence: given the spikes, v is linear in w. It is not so under `value` (a spike
    forgets the past, tr_i does not) or in a refractory `hold`. See rule `policy_gradient`.

    Args:
        tau_m: seconds; 0: no memory, v = I.
        noise: `escape` or `sigmoid`.
        rate: hertz at the threshold; `sigmoid` does not read it.
        threshold: v at which r is `rate`, or p is 1/2, in units of v.
        width: of the rise of p around the threshold, in units of v.
        soma_input: `steady_state`: zeta = 1 - alpha, exact while I is constant; `jump`: zeta = 1.
        reset_mode: `none`; `value`: v <- v_reset where z = 1; `subtract`: v <- v - (threshold -
            v_reset) z.
        v_reset: v after a spike, in units of v.

    Limits: width -> 0 fires at the threshold; `escape` as dt -> 0 is a Poisson process, its score
    (z - r dt) / width.
    Source: Gerstner & Kistler 2002; Pfister, Toyoizumi, Barber & Gerstner 2006.
    """

    offers: ClassVar[frozenset[str]] = AbstractNeuron.offers | STOCHASTIC

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
            return draw_spikes(key, v, p, p / self.width)
        expected = self.rate * dt * jnp.exp(jnp.minimum(above, STEEPEST))
        return draw_spikes(key, v, -jnp.expm1(-expected), expected / self.width)

    def reset(self, theta: Theta, state: Theta, spikes: Array) -> Theta:
        v = state["v"]
        if self.reset_mode == "value":
            v = jnp.where(spikes > 0, self.v_reset, v)
        elif self.reset_mode == "subtract":
            v = v - (self.threshold - self.v_reset) * lax.stop_gradient(spikes)
        return {"v": v}
