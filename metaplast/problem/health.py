"""The health of a life: finite numbers, steps survived, weights at their bounds."""

import jax
import jax.numpy as jnp
from jax import Array

from metaplast.life.lifetime import Life, Lifetime
from metaplast.signals import Metrics, Score

STEP = "step."
"""The beginning of the names of metrics that have a value for every step."""


def is_finite(life: Life, before: Life) -> Array:
    """Whether every number of the network, of the rules and of the feedback is finite [].

    A broken cell may be silent, so that the loss is finite all the same. Of the feedback, what no
    step changed does not count: fixed matrices that no rule reads need not be drawn.

    Args:
        life: the life.
        before: the same life some steps earlier, in the same program.
    """
    leaves = jax.tree.leaves((life.synapses, life.network, life.rules))
    pairs = zip(jax.tree.leaves(life.feedback), jax.tree.leaves(before.feedback), strict=True)
    leaves += [after for after, old in pairs if after is not old]
    floats = [x for x in leaves if jnp.issubdtype(x.dtype, jnp.floating)]
    # One list of all numbers: a reduction of each leaf is compiled on its own.
    return jnp.all(jnp.concatenate([jnp.isfinite(x).reshape(-1) for x in floats]))


def survived(score: Score) -> Array:
    """The share [] of the steps before the first one whose loss is not finite."""
    n_steps = len(score.loss)
    ends = jnp.where(jnp.isfinite(score.loss), n_steps, jnp.arange(n_steps))
    return jnp.min(ends, initial=n_steps).astype(score.loss.dtype) / n_steps


def of_steps(score: Score) -> Metrics:
    """The score of every step of a life as metrics [n_steps], named `step.loss` and so on."""
    metrics = {f"{STEP}loss": score.loss, f"{STEP}weight": score.weight}
    for name, values in score.metrics.items():
        metrics[f"{STEP}{name}"] = values
    return metrics


def at_bound(lifetime: Lifetime, life: Life) -> Array:
    """The share [] of plastic synapses whose weight ended at one of its bounds.

    It is 0 where nothing is plastic.
    """
    wiring = lifetime.wiring()
    hits = [jnp.zeros(1)]
    real = [jnp.zeros(1)]
    for name, (edge, _) in lifetime.plastic().items():
        low, high = wiring.bounds(edge)
        synapses = life.synapses[name]
        hit = (synapses.weight <= low) | (synapses.weight >= high)
        is_real = jnp.broadcast_to(synapses.mask, hit.shape)
        hits.append(jnp.where(hit, is_real, 0.0).reshape(-1))
        real.append(is_real.reshape(-1))
    n_synapses = jnp.sum(jnp.concatenate(real))
    return jnp.sum(jnp.concatenate(hits)) / jnp.maximum(n_synapses, 1.0)
