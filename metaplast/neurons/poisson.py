"""A Poisson source, driven by its rate."""

import math
from typing import ClassVar

import jax.numpy as jnp
from jax import Array

from metaplast.neurons._bernoulli import STOCHASTIC, draw_spikes
from metaplast.neurons.base import AbstractNeuron, SpikingNeuron
from metaplast.registry import register
from metaplast.signals import Key, NeuronView, Theta
from metaplast.spec import Positive, spec


@register("neuron", "poisson")
@spec
class Poisson(SpikingNeuron):
    """A source of spikes z in {0, 1}, driven by its rate.

        P(z = 1) = 1 - exp(-r dt)
        r = scale max(0, drive)

    drive [n]: the drive of the soma, in hertz for scale = 1.
    r [n]: rate, in hertz.

    It is for input populations whose task shows rates. A step holds one spike at most: the mean
    rate is (1 - exp(-r dt)) / dt, 2.5 % below r at r dt = 0.05. Backward, z has the derivative of P
    (straight-through): it is exact on average only where the loss is linear in z.

    View: potential = drive; gain = dP/d drive = scale dt exp(-r dt), 0 where drive <= 0; score = d
    log P(z) / d drive; log_probability = log P(z). State: drive [n], of the last step. A dead time:
    neuron `refractory`.

    Args:
        scale: the rate for a drive of 1, in hertz per unit of the drive.

    Limit: dt -> 0 is a Poisson process of rate r.
    Source: elementary.
    """

    offers: ClassVar[frozenset[str]] = AbstractNeuron.offers | STOCHASTIC
    membrane: ClassVar[frozenset[str]] = frozenset()  # nothing to hold

    scale: Positive = 1.0

    def init(self, key: Key, n: int) -> Theta:
        return {}

    def init_state(self, theta: Theta, n: int) -> Theta:
        return {"drive": jnp.zeros(n)}

    def integrate(self, theta: Theta, state: Theta, drive: dict[str, Array], dt: float) -> Theta:
        return {"drive": drive["soma"]}

    def stable_dt(self) -> float:
        return math.inf  # it remembers nothing

    def fire(self, theta: Theta, state: Theta, dt: float, key: Key) -> NeuronView:
        drive = state["drive"]
        count = self.scale * dt
        p = -jnp.expm1(-count * jnp.maximum(drive, 0.0))
        return draw_spikes(key, drive, p, count * (drive > 0).astype(drive.dtype))

    def reset(self, theta: Theta, state: Theta, spikes: Array) -> Theta:
        return state
