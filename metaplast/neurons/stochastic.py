"""A leaky spiking unit that fires by lot, the likelier the higher its potential."""

import math
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, lax

from metaplast.neurons._bernoulli import STOCHASTIC, concrete, draw_spikes, with_surrogate
from metaplast.neurons._surrogates import Name, Surrogate
from metaplast.neurons.base import AbstractNeuron, SpikingNeuron
from metaplast.registry import BadInput, register
from metaplast.signals import Key, NeuronView, Theta, neuron_view
from metaplast.spec import NonNegative, Positive, spec

STEEPEST = 30.0
"""The largest (v - threshold) / width.

Beyond it exp would overflow, and every step has its spike anyway.
"""


class _Law(NamedTuple):
    """The law of a spike at a potential; each [n].

    p: the probability of a spike.
    hazard: (dp/dv) / (1 - p).
    log_odds: log(p / (1 - p)), finite.
    """

    p: Array
    hazard: Array
    log_odds: Array


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

    View: z; v before the reset; gain, the derivative of z backward; score d log P(z)/dv, which is
    (z - p) / width for `sigmoid`, (r dt / width) (z / p - 1) for `escape`; log_probability log
    P(z). The reset passes no gradient.

    Backward, z has the derivative that `surrogate` names. `probability` takes dp/dv, the
    straight-through estimate: it is exact on average only where the loss is linear in z. `concrete`
    takes dy/dv of the relaxed draw y (Gumbel-softmax of two classes):

        y = 1 / (1 + exp(-(log(p / (1 - p)) - log(U / (1 - U))) / temperature))

    U: the uniform number that drew z, so that z = 1 where y > 1/2 [n].

    With output `relaxed` the unit sends y itself. The gradient is then the exact one of the relaxed
    network, and y -> z as temperature -> 0. Every other name is the shape of a threshold, as in
    `lif`. Spikes are the same under every surrogate.

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
        surrogate: the derivative of z backward: `probability`, `concrete`, or that of a shape at
            (v - threshold) / width.
        slope: of a shape; 0 takes the shape's own.
        temperature: of `concrete`.
        output: `spikes` or `relaxed`. y is graded: it offers neither score nor log_probability.

    Raises:
        BadInput: for output `relaxed` with another surrogate than `concrete`, or with a reset.

    Limits: width -> 0 fires at the threshold; `escape` as dt -> 0 is a Poisson process, its score
    (z - r dt) / width.
    Source: Gerstner & Kistler 2002; Pfister, Toyoizumi, Barber & Gerstner 2006; straight-through:
    Bengio, Leonard & Courville 2013; concrete: Maddison, Mnih & Teh 2017, Jang, Gu & Poole 2017.
    """

    tau_m: NonNegative = 20e-3
    noise: Literal["escape", "sigmoid"] = "escape"
    rate: Positive = 50.0
    threshold: float = 1.0
    width: Positive = 0.2
    soma_input: Literal["steady_state", "jump"] = "steady_state"
    reset_mode: Literal["none", "value", "subtract"] = "none"
    v_reset: float = 0.0
    surrogate: Literal[Name, "probability", "concrete"] = "probability"
    slope: NonNegative = 0.0
    temperature: Positive = 1.0
    output: Literal["spikes", "relaxed"] = "spikes"

    def __post_init__(self) -> None:
        if self.output == "spikes":
            return
        if self.surrogate != "concrete":
            raise BadInput(
                f"output='relaxed' with surrogate={self.surrogate!r}",
                "'concrete', whose relaxed draw is the output",
                "set surrogate=concrete",
            )
        if self.reset_mode != "none":
            raise BadInput(
                f"output='relaxed' with reset_mode={self.reset_mode!r}",
                "'none': a graded activity resets nothing",
                "set reset_mode=none",
            )

    @property
    def offers(self) -> frozenset[str]:
        if self.output == "spikes":
            return AbstractNeuron.offers | STOCHASTIC
        return AbstractNeuron.offers

    @property
    def spiking(self) -> bool:
        return self.output == "spikes"

    @property
    def timeless(self) -> bool:
        return self.spiking and self.noise == "sigmoid" and self.tau_m == 0

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
        law = self._law(above, dt)
        view = draw_spikes(key, v, law.p, law.hazard)
        if self.surrogate == "probability":
            return view
        if self.surrogate != "concrete":
            derivative = Surrogate(self.surrogate, self.slope)(above)
            return with_surrogate(view, derivative / self.width)
        y = concrete(key, law.p, law.log_odds, self.temperature)
        slope_of_odds = law.hazard / jnp.where(law.p > 0, law.p, 1.0)
        derivative = y * (1.0 - y) * slope_of_odds / self.temperature
        if self.output == "relaxed":
            return neuron_view(y, v, derivative)
        return with_surrogate(view, derivative)

    def _law(self, above: Array, dt: float) -> _Law:
        """The law at (v - threshold) / width [n]."""
        if self.noise == "sigmoid":
            p = jax.nn.sigmoid(above)
            return _Law(p, p / self.width, above)
        expected = self.rate * dt * jnp.exp(jnp.minimum(above, STEEPEST))
        p = -jnp.expm1(-expected)
        # log(1 - p) is -expected, also where p rounds to 1.
        log_odds = jnp.log(jnp.maximum(p, jnp.finfo(p.dtype).tiny)) + expected
        return _Law(p, expected / self.width, log_odds)

    def reset(self, theta: Theta, state: Theta, spikes: Array) -> Theta:
        v = state["v"]
        if self.reset_mode == "value":
            v = jnp.where(spikes > 0, self.v_reset, v)
        elif self.reset_mode == "subtract":
            v = v - (self.threshold - self.v_reset) * lax.stop_gradient(spikes)
        return {"v": v}
