"""The nearest class mean."""

from typing import Any

import jax.numpy as jnp
from jax import Array

from metaplast.references import base
from metaplast.references._life import Stream, scored, watched
from metaplast.references._ridge import distances
from metaplast.registry import register
from metaplast.signals import Key
from metaplast.spec import spec
from metaplast.tasks import AbstractTaskFamily


@register("reference", "nearest_prototype")
@spec
class NearestPrototype(base.AbstractReference):
    """The class whose mean over the shown examples lies nearest, in Euclidean distance.

    Nothing is chosen.
    Source: elementary.
    """

    @property
    def note(self) -> str:
        return "the nearest class mean"

    def check(self, family: AbstractTaskFamily) -> None:
        base.need_questions(self, family)
        base.need_classes(self, family)

    def options(self) -> tuple[base.Numbers, ...]:
        return ({},)

    def judge(
        self, family: AbstractTaskFamily, task: Any, key: Key, dt: float, numbers: Any
    ) -> dict[str, Array]:
        stream = watched(family, task, key, dt)
        answers = -distances(stream.questions, means(stream))
        answered = jnp.argmax(answers, axis=-1)
        right = answered == jnp.argmax(stream.targets[-stream.n_asked :], axis=-1)
        # not the task's weighted mean: this keeps the bits of older runs
        accuracy = jnp.mean(right.astype(answers.dtype))
        return {**scored(family, task, key, dt, answers), "accuracy": accuracy}


def means(stream: Stream) -> Array:
    """The mean input [n_classes, n_in] of the examples of each class."""
    inputs, targets, shown = stream.examples
    weights = targets * shown[:, None]
    return jnp.einsum("tc,ti->ci", weights, inputs) / jnp.sum(weights, axis=0)[:, None]
