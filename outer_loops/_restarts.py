"""When a search has come to rest, and what is kept of it when it begins anew."""

from dataclasses import replace

import jax.numpy as jnp
from jax import Array

from metaplast.signals import pytree
from outer_loops._evosax import LARGEST

SMOOTH = 10  # generations over which the loss of a population is averaged


@pytree
class Course:
    """Of the present search: loss, the mean loss of its population, smoothed; lowest, that of its
    best member so far; idle, generations since; width, the standard deviation of its members; age
    in generations. Of
    those before it: best [n], where the one with the lowest loss came to rest; best_loss. start
    [n]: where the first one began.
    """

    start: Array
    best: Array
    best_loss: Array
    loss: Array
    lowest: Array
    width: Array
    age: Array
    idle: Array
    restarts: Array


def begin(start: Array, std: Array) -> Course:
    zero, unknown = jnp.zeros((), jnp.int32), jnp.full((), LARGEST, start.dtype)
    return Course(
        start=start,
        best=start,
        best_loss=unknown,
        loss=unknown,
        lowest=unknown,
        width=std.astype(start.dtype),
        age=zero,
        idle=zero,
        restarts=zero,
    )


def follow(course: Course, loss: Array, lowest: Array, width: Array) -> Course:
    """One generation more: its mean loss, its lowest, its standard deviation."""
    age = course.age + 1
    loss = jnp.clip(loss, -LARGEST, LARGEST)
    share = 1.0 / jnp.minimum(age, SMOOTH).astype(loss.dtype)
    lower = lowest < course.lowest
    return replace(
        course,  # pyright: ignore[reportAttributeAccessIssue]
        loss=jnp.where(age == 1, loss, course.loss + share * (loss - course.loss)),
        lowest=jnp.where(lower, lowest, course.lowest),
        width=width,
        age=age,
        idle=jnp.where(lower, 0, course.idle + 1),
    )


def anew(course: Course, theta: Array, std: Array) -> Course:
    """The search ended at `theta` [n], which is kept where its loss is the lowest so far."""
    better = course.loss < course.best_loss
    fresh = begin(course.start, std)
    return replace(
        fresh,  # pyright: ignore[reportAttributeAccessIssue]
        best=jnp.where(better, theta, course.best),
        best_loss=jnp.where(better, course.loss, course.best_loss),
        restarts=course.restarts + 1,
    )
