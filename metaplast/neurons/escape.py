"""A spiking unit that fires by lot, the likelier the higher its potential."""

from typing import ClassVar

import jax
import jax.numpy as jnp
from jax import Array

from metaplast.neurons.base import AbstractNeuron
from metaplast.registry import register
from metaplast.signals import Key, NeuronView, Theta, neuron_view
from metaplast.spec import Positive, spec

STEEPEST = 30.0  # (u - threshold) / width beyond it: exp would overflow, and every step has its spike anyway


@register("neuron", "escape")
@spec
class Escape(AbstractNeuron):
    """Spikes z in {0, 1} with P(z = 1) = p = 1 - exp(-r dt), r = rate exp((u - threshold) / width).

    u [n]: the drive at the soma, without memory, refractoriness or reset (what arrives may be filtered: transmission
    `exponential`); rate: hertz at the threshold; threshold, width: in the unit of u.
    Gain: dp/du = (dt r / width) exp(-r dt); backward, z has the derivative of p (straight-through; exact on average
    only where the loss is linear in z). Score: d log P(z) / du = (r dt / width) (z / p - 1); score_j times the
    presynaptic signal, summed over a trial, is the eligibility of a policy gradient.
    Limits: width -> 0 fires at the threshold; dt -> 0 is a Poisson process, whose score is (z - r dt) / width.
    Source: Gerstner & Kistler 2002; Pfister et al. 2006.
    """

    offers: ClassVar[frozenset[str]] = frozenset({"activity", "potential", "gain", "score"})
    spiking: ClassVar[bool] = True

    rate: Positive = 50.0
    threshold: float = 1.0
    width: Positive = 0.2

    def init(self, key: Key, n: int) -> Theta:
        return {}

    def init_state(self, theta: Theta, n: int) -> Theta:
        return {}

    def step(
        self, theta: Theta, state: Theta, drive: dict[str, Array], dt: float, key: Key
    ) -> tuple[Theta, NeuronView]:
        u = drive["soma"]
        above = jnp.clip((u - self.threshold) / self.width, -STEEPEST, STEEPEST)
        expected = self.rate * dt * jnp.exp(above)
        p = -jnp.expm1(-expected)
        spikes = (jax.random.uniform(key, u.shape, u.dtype) < p).astype(u.dtype)
        slope = expected / self.width
        activity = spikes + (p - jax.lax.stop_gradient(p))  # the bracket is exactly 0
        view = neuron_view(activity, u, slope * jnp.exp(-expected))
        return state, view.replace(score=slope * (spikes / p - 1.0))  # pyright: ignore[reportAttributeAccessIssue]
