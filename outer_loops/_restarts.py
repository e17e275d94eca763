"""The course of a search that may come to rest and begin anew."""

from dataclasses import replace

import jax.numpy as jnp
from jax import Array

from metaplast.signals import pytree
from outer_loops._grades import LARGEST

SMOOTH = 10
"""Generations over which the loss of a population is averaged."""


@pytree
class Course:
    """The course of the present search, and the best of the searches before it.

    start [n]: theta before the first search
    best [n]: the theta at rest of the search with the lowest loss, among those before this one
    best_loss []: the loss of that search
    loss []: the mean loss of the present population, smoothed
    lowest []: the loss of its best member so far
    width []: the standard deviation of its members
    age []: the generations of the present search
    idle []: the generations since the best member
    restarts []: the number of restarts so far
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
    """The course before the first generation.

    Args:
        start: [n], theta.
        std: the standard deviation of the members.
    """
    zero = jnp.zeros((), jnp.int32)
    unknown = jnp.full((), LARGEST, start.dtype)
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
    """The course after one more generation.

    Args:
        course: the course before it.
        loss: its mean loss [].
        lowest: its lowest loss [].
        width: the standard deviation of its members [].
    """
    age = course.age + 1
    loss = jnp.clip(loss, -LARGEST, LARGEST)
    share = 1.0 / jnp.minimum(age, SMOOTH).astype(loss.dtype)
    is_lower = lowest < course.lowest
    return replace(
        course,
        loss=jnp.where(age == 1, loss, course.loss + share * (loss - course.loss)),
        lowest=jnp.where(is_lower, lowest, course.lowest),
        width=width,
        age=age,
        idle=jnp.where(is_lower, 0, course.idle + 1),
    )


def anew(course: Course, theta: Array, std: Array) -> Course:
    """The course of the next search.

    Args:
        course: the course of the search that has come to rest.
        theta: [n], where it ended; kept where its loss is the lowest so far.
        std: the standard deviation of the new members.
    """
    is_better = course.loss < course.best_loss
    return replace(
        begin(course.start, std),
        best=jnp.where(is_better, theta, course.best),
        best_loss=jnp.where(is_better, course.loss, course.best_loss),
        restarts=course.restarts + 1,
    )
