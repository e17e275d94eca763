"""The nearest of all shown examples."""

from typing import Any

import jax.numpy as jnp
from jax import Array

from metaplast.references import base
from metaplast.references._life import Stream
from metaplast.references._ridge import distances
from metaplast.registry import register
from metaplast.spec import spec
from metaplast.tasks import AbstractTaskFamily


@register("reference", "nearest_neighbour")
@spec
class NearestNeighbour(base.StreamReference):
    """The target of the nearest shown example, in Euclidean distance; the first of equals.

    Nothing is chosen. It keeps all n_shown x n_in numbers of a life.

    Source: Fix & Hodges 1951.
    """

    @property
    def note(self) -> str:
        return "1-NN: stores every example"

    def check(self, family: AbstractTaskFamily) -> None:
        base.need_questions(self, family)

    def options(self) -> tuple[base.Numbers, ...]:
        return ({},)

    def answers(self, stream: Stream, numbers: Any) -> Array:
        inputs, targets, shown = stream.examples
        far = jnp.where(shown > 0, distances(stream.questions, inputs), jnp.inf)
        return targets[jnp.argmin(far, axis=-1)]
