"""The mean gradient of many lives: clipped life by life, without the lives that are not finite."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from metaplast.problem.forward import forward_value_and_grad
from metaplast.problem.layout import Layout, gathered, spread
from metaplast.signals import Metrics, Theta

# (theta, index of a life [], shared, perhaps its own) ->
# (loss [], (metrics of the life, anything that is kept of it))
LossOfLife = Callable[..., tuple[Array, tuple[Metrics, Any]]]


class MeanGradient(NamedTuple):
    """The mean gradient of several lives.

    gradient: mean over the healthy lives, a tree like theta
    metrics: means over the healthy lives; the counts `diverged`, `clipped`, `lives`
    losses [n]: the loss of each life, not a number where the life is not healthy
    kept: the data that the function of one life keeps, stacked [n, ...]
    """

    gradient: Theta
    metrics: Metrics
    losses: Array
    kept: Any


class _OfLife(NamedTuple):
    """The results of one life that are not summed."""

    values: Metrics
    healthy: Array
    clipped: Array
    kept: Any


def mean_gradient(
    loss_of_life: LossOfLife,
    theta: Theta,
    layout: Layout,
    life_clip: float,
    shared: Any,
    own: Any = None,
    tangents: int = 0,
) -> MeanGradient:
    """The gradient of the mean loss of the healthy lives.

        gradient = mean over healthy lives of  g_i min(1, life_clip / |g_i|)

    g_i: d (loss of life i) / d theta, a tree like theta
    healthy: the loss and the gradient of the life are finite

    Args:
        loss_of_life: the loss of one life.
        theta: the theta of all lives.
        layout: the number of lives, and where they run.
        life_clip: the largest global norm of the gradient of one life. 0: gradients stay as they
            are.
        shared: arrays that all lives read, see `spread`.
        own: arrays of which each life reads its own place, see `spread`.
        tangents: 0 for reverse mode. Otherwise forward mode, with this number of directions of
            theta at a time.
    """

    def gradient_of_life(i: Array, shared: Any, *own: Any) -> tuple[_OfLife, Theta]:
        theta, for_losses = shared
        loss_of_theta = lambda theta: loss_of_life(theta, i, for_losses, *own)
        if tangents:
            differentiate = forward_value_and_grad(loss_of_theta, tangents)
        else:
            differentiate = jax.value_and_grad(loss_of_theta, has_aux=True)
        (loss, (metrics, kept)), gradient = differentiate(theta)
        norm = jnp.sqrt(sum(jnp.sum(leaf**2) for leaf in jax.tree.leaves(gradient)))
        healthy = jnp.isfinite(loss) & jnp.isfinite(norm)
        factor = jnp.ones(())
        if life_clip:
            factor = jnp.minimum(1.0, life_clip / jnp.maximum(norm, 1e-30))
        gradient = jax.tree.map(lambda g: jnp.where(healthy, g * factor, 0.0), gradient)
        of_life = _OfLife(
            values={"loss": loss, "norm": norm, **metrics},
            healthy=healthy,
            clipped=healthy & (factor < 1),
            kept=kept,
        )
        return of_life, gradient

    lives, total = spread(gradient_of_life, layout, (theta, shared), own, reduce_second=True)
    values, healthy, clipped = gathered((lives.values, lives.healthy, lives.clipped), layout)
    total = gathered(total, layout)
    count = jnp.sum(healthy)
    share = count.astype(values["loss"].dtype)
    scale = jnp.where(count > 0, 1.0 / jnp.maximum(share, 1.0), jnp.nan)
    means = {
        name: jnp.sum(jnp.where(healthy, of_lives, 0.0)) * scale
        for name, of_lives in values.items()
    }
    counts = {
        "diverged": layout.n - count,
        "clipped": jnp.sum(clipped),
        "lives": jnp.asarray(layout.n),
    }
    return MeanGradient(
        gradient=jax.tree.map(lambda g: g * scale, total),
        metrics={**means, **counts},
        losses=jnp.where(healthy, values["loss"], jnp.nan),
        kept=lives.kept,
    )
