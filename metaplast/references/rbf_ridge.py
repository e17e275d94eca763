"""Kernel ridge regression with a Gaussian kernel."""

from itertools import product
from typing import Annotated, Any

import jax.numpy as jnp
from annotated_types import MinLen
from jax import Array

from metaplast.references import base
from metaplast.references._life import Stream
from metaplast.references._ridge import distances, solve
from metaplast.registry import register
from metaplast.spec import Positive, spec
from metaplast.tasks import AbstractTaskFamily


@register("reference", "rbf_ridge")
@spec
class RbfRidge(base.StreamReference):
    """Ridge regression over all shown examples; nothing is forgotten.

        y(x) = sum_i a_i k(x, x_i)
        (K + penalty I) a = targets
        k(x, z) = exp(-sharpness |x - z|^2 / d^2)

    K: k between the shown examples.
    d^2: the mean of |x_i - x_j|^2 over the pairs of shown examples.

    Args:
        sharpnesses: the options for the sharpness; the validation lives choose a pair.
        penalties: the options for the penalty.

    Source: Saunders, Gammerman & Vovk 1998.
    """

    sharpnesses: Annotated[tuple[Positive, ...], MinLen(1)] = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
    penalties: Annotated[tuple[Positive, ...], MinLen(1)] = (0.001, 0.01, 0.1, 1.0)

    @property
    def note(self) -> str:
        return "ridge regression with a Gaussian kernel: stores every example, closed form"

    def check(self, family: AbstractTaskFamily) -> None:
        base.need_questions(self, family)

    def options(self) -> tuple[base.Numbers, ...]:
        pairs = product(self.sharpnesses, self.penalties)
        return tuple({"sharpness": sharpness, "penalty": penalty} for sharpness, penalty in pairs)

    def answers(self, stream: Stream, numbers: Any) -> Array:
        inputs, targets, shown = stream.examples
        between = jnp.maximum(distances(inputs, inputs), 0.0)
        weight = shown[:, None] * shown[None, :] * (1.0 - jnp.eye(len(shown), dtype=shown.dtype))
        unit = jnp.sum(weight * between) / jnp.maximum(jnp.sum(weight), 1.0)
        slope = numbers["sharpness"] / jnp.maximum(unit, jnp.finfo(unit.dtype).tiny)
        gram = shown[:, None] * shown[None, :] * jnp.exp(-slope * between)
        parts = solve(gram, shown[:, None] * targets, numbers["penalty"])
        asked = jnp.exp(-slope * jnp.maximum(distances(stream.questions, inputs), 0.0))
        return asked @ parts
