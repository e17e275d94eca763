"""Bernoulli spikes: the view of a unit that fires with a probability."""

from dataclasses import replace

import jax
import jax.numpy as jnp
from jax import Array

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
    spikes = (jax.random.uniform(key, p.shape, p.dtype) < p).astype(p.dtype)
    activity = spikes + (p - jax.lax.stop_gradient(p))  # the bracket is exactly 0
    per_p = spikes / jnp.where(p > 0, p, 1.0)  # no spike where p = 0
    view = neuron_view(activity, potential, hazard * (1.0 - p))
    return replace(view, score=hazard * (per_p - 1.0), log_probability=_log_probability(spikes, p))


def _log_probability(spikes: Array, p: Array) -> Array:
    """log P(z) of drawn spikes [n]. The branch that is not drawn gives no infinite gradient."""
    drawn = spikes > 0
    of_spike = jnp.log(jnp.where(drawn, p, 1.0))
    of_silence = jnp.log1p(-jnp.where(drawn, 0.0, p))
    return jnp.where(drawn, of_spike, of_silence)
