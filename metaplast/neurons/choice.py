"""A population that makes one choice per step."""

from dataclasses import replace
from typing import ClassVar

import jax
import jax.numpy as jnp
from jax import Array

from metaplast.language.constants import value
from metaplast.neurons._bernoulli import STOCHASTIC
from metaplast.neurons.base import AbstractNeuron
from metaplast.registry import register
from metaplast.signals import Key, NeuronView, Theta, neuron_view
from metaplast.spec import Positive, spec


@register("neuron", "choice")
@spec
class Choice(AbstractNeuron):
    """Exactly one unit of the population is active, drawn by its drive.

        P(i) = p_i = exp(beta u_i) / sum_j exp(beta u_j)

    u [n]: the drive of the soma.
    beta: inverse temperature, in 1 / unit of u.
    activity [n]: one-hot.

    The choice is drawn by Gumbel-max: the largest of beta u_i + g_i wins, g_i standard Gumbel from
    the step's key. Backward, activity has the derivative of p: dp_i / du_j = beta p_i (delta_ij -
    p_j). This straight-through gradient is exact on average only where the loss is linear in the
    activity, and a biased estimate elsewhere.

    Score: d log P(chosen) / du_i = beta (chosen_i - p_i), the factor of a policy gradient. Gain:
    beta p_i (1 - p_i) = dP(i) / du_i, the effect of a unit's own drive on its own chance, not on
    the one outcome. log_probability: log p_i at the chosen unit, 0 at all others.

    Args:
        inverse_temperature: beta.
        learn: whether theta holds `log_inverse_temperature` []; beta is then inverse_temperature
            exp(5 log_inverse_temperature).

    Limits: beta -> infinity picks the largest drive, beta -> 0 any unit alike.
    Source: Gumbel 1954; Luce 1959.
    """

    offers: ClassVar[frozenset[str]] = AbstractNeuron.offers | STOCHASTIC
    competitive: ClassVar[bool] = True

    inverse_temperature: Positive = 1.0
    learn: bool = False

    def init(self, key: Key, n: int) -> Theta:
        return {"log_inverse_temperature": jnp.zeros(())} if self.learn else {}

    def init_state(self, theta: Theta, n: int) -> Theta:
        return {}

    def step(
        self, theta: Theta, state: Theta, drive: dict[str, Array], dt: float, key: Key
    ) -> tuple[Theta, NeuronView]:
        beta = value(self, theta, "inverse_temperature")
        scaled = beta * drive["soma"]
        noise = jax.random.gumbel(key, scaled.shape, scaled.dtype)
        chosen = jax.nn.one_hot(jnp.argmax(scaled + noise), scaled.size, dtype=scaled.dtype)
        p = jax.nn.softmax(scaled)
        activity = chosen + (p - jax.lax.stop_gradient(p))  # the bracket is exactly 0
        view = neuron_view(activity, drive["soma"], beta * p * (1.0 - p))
        log_probability = chosen * jax.nn.log_softmax(scaled)
        return state, replace(view, score=beta * (chosen - p), log_probability=log_probability)
