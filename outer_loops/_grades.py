"""What a generation tells: the ranks of its members, its summary, and whether its update counts."""

import logging
from dataclasses import replace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from metaplast.signals import Metrics
from outer_loops._foreign import strong

LARGEST = 1e30
"""The number in place of infinities: a checkpoint holds finite numbers only."""


class Grades(NamedTuple):
    """The ranks of a generation.

    fitness [n_members]: smaller is better, always finite
    healthy [n_members]: whether the loss is finite
    worst []: the largest finite loss so far
    """

    fitness: Array
    healthy: Array
    worst: Array


def graded(losses: Array, survived: Array, before: Array | float = -LARGEST) -> Grades:
    """The fitness of members: losses as they are where finite, the others behind the worst of them.

    Args:
        losses: [n_members].
        survived: [n_members], the share of steps lived; who ends earlier ranks further behind.
        before: the largest finite loss of earlier generations.
    """
    healthy = jnp.isfinite(losses)
    bounded = jnp.clip(losses, -LARGEST, LARGEST)
    worst = jnp.maximum(jnp.max(jnp.where(healthy, bounded, -LARGEST)), before)
    best = jnp.min(jnp.where(healthy, bounded, LARGEST))
    spread = jnp.maximum(worst - best, jnp.maximum(1.0, 1e-3 * jnp.abs(worst)))
    fitness = jnp.where(healthy, bounded, worst + spread * (2.0 - survived))
    return Grades(fitness, healthy, worst)


def summary(losses: Array, healthy: Array, metrics: Metrics) -> Metrics:
    """Means over the healthy members, not a number where there are none; `survived` over all.

    Args:
        losses: [n_members].
        healthy: [n_members], whether the loss is finite.
        metrics: of `Problem.losses`.
    """
    totals = {
        "loss": _mean(losses, healthy),
        "best_loss": jnp.min(jnp.where(healthy, losses, jnp.inf)),
        "survived": jnp.mean(metrics["survived"]),
        "lives": metrics["lives"],
        "diverged": metrics["diverged"],
        "diverged_members": jnp.sum(~healthy),
    }
    means = {}
    for name, values in metrics.items():
        if name not in (*totals, "life_loss"):
            means[name] = _mean(jnp.mean(values, axis=1), healthy)
    return {**means, **totals}


def _mean(values: Array, healthy: Array) -> Array:
    """The mean [] over the healthy members."""
    count = jnp.sum(healthy.astype(values.dtype))
    return jnp.sum(jnp.where(healthy, values, 0.0)) / jnp.where(count > 0, count, jnp.nan)


def accepted(state: Any, after: Any, healthy: Array, moved: Any) -> Any:
    """The state after a generation. Where its update is of no use, only the counters change.

    Args:
        state: the state before the generation, with the counters `step` and `skipped`.
        after: the state after its update.
        healthy: [n_members], whether the loss is finite: one has to be.
        moved: the tree of what the update moved: all of it has to be finite.
    """
    finite = [jnp.all(jnp.isfinite(leaf)) for leaf in jax.tree.leaves(moved)]
    usable = jnp.any(healthy) & jnp.all(jnp.stack(finite))
    after = jax.tree.map(lambda a, b: jnp.where(usable, a, b), strong(after), state)
    skipped = state.skipped + (~usable).astype(jnp.int32)
    return replace(after, step=state.step + 1, skipped=skipped)


def warn_of_raise(
    log: logging.Logger, population: int, n_members: int, loop: str, n_devices: int
) -> None:
    """Say that a generation has more members than were asked for, where it has.

    Args:
        log: the logger of the outer loop.
        population: the number that was asked for.
        n_members: the number that lives.
        loop: the name of what needs it.
        n_devices: the number of devices.
    """
    if n_members != population:
        log.warning(
            "outer.population=%d is raised to %d, as %s on %d device(s) needs",
            population,
            n_members,
            loop,
            n_devices,
        )
