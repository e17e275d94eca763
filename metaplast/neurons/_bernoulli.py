"""Bernoulli spikes: the view of a unit that fires with a probability, and its ways backward."""

from dataclasses import replace

import jax
import jax.numpy as jnp
from jax import Array

from metaplast.neurons._surrogates import spike
from metaplast.signals import Key, NeuronView, neuron_view

STOCHASTIC = frozenset({"score", "log_probability"})
"""The fields of a NeuronView that only a unit which draws its activity fills in."""


def draw_spikes(key: Key, potential: Array, p: Array, hazard: Array) -> NeuronView:
    """Draw spikes z in {0, 1} with P(z = 1) = p.

        gain = dp/du = hazard (1 - p)
        score = d log P(z) / du = hazard (z / p - 1)
        log_probability = log P(z) = z log p + (1 - z) log(1 - p)

    Backward, z has the derivative of p (straight-through): it is exact on average only where the
    loss is linear in z. For p = 1 - exp(-r dt), a Poisson process of rate r(u) in hertz, the hazard
    is dt dr/du.

    Args:
        key: the key of the step.
        potential: u [n].
        p: the probability of a spike [n], a function of u.
        hazard: (dp/du) / (1 - p) [n].

    Returns:
        A view with the spikes as `activity`, and with gain, score and
        log_probability; each [n].
    """
    spikes = (_lot(key, p) < p).astype(p.dtype)
    activity = spikes + (p - jax.lax.stop_gradient(p))  # the bracket is exactly 0
    per_p = spikes / jnp.where(p > 0, p, 1.0)  # no spike where p = 0
    view = neuron_view(activity, potential, hazard * (1.0 - p))
    return replace(view, score=hazard * (per_p - 1.0), log_probability=_log_probability(spikes, p))


def with_surrogate(view: NeuronView, derivative: Array) -> NeuronView:
    """The same spikes, with another derivative backward, which is also the gain.

    Args:
        view: the view of drawn spikes.
        derivative: stands for d z / du [n].
    """
    spikes = jax.lax.stop_gradient(view.activity)
    u = view.potential
    # The bracket is exactly 0, and its derivative is 1.
    activity = spike(spikes - 0.5 + (u - jax.lax.stop_gradient(u)), derivative)
    return replace(view, activity=activity, gain=derivative)


def concrete(key: Key, p: Array, log_odds: Array, temperature: float) -> Array:
    """The relaxed draw y [n] behind spikes that were drawn from the same key.

        y = 1 / (1 + exp(-(log_odds - log(U / (1 - U))) / temperature))

    U is the uniform number of the draw, so that y > 1/2 where z = 1. As temperature -> 0, y is z.

    Args:
        key: the key of the step.
        p: the probability of a spike [n].
        log_odds: log(p / (1 - p)) [n], finite.
        temperature: of the relaxation.

    Source: Maddison, Mnih & Teh 2017; Jang, Gu & Poole 2017.
    """
    lot = jnp.maximum(_lot(key, p), jnp.finfo(p.dtype).tiny)
    return jax.nn.sigmoid((log_odds - jnp.log(lot) + jnp.log1p(-lot)) / temperature)


def _lot(key: Key, p: Array) -> Array:
    """The uniform number in [0, 1) that decides each spike [n]: there is one where it is < p."""
    return jax.random.uniform(key, p.shape, p.dtype)


def _log_probability(spikes: Array, p: Array) -> Array:
    """log P(z) of drawn spikes [n]. The branch that is not drawn gives no infinite gradient."""
    drawn = spikes > 0
    of_spike = jnp.log(jnp.where(drawn, p, 1.0))
    of_silence = jnp.log1p(-jnp.where(drawn, 0.0, p))
    return jnp.where(drawn, of_spike, of_silence)
