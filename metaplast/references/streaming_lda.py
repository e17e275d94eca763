"""Streaming linear discriminant analysis."""

from typing import Annotated, Any

import jax.numpy as jnp
from annotated_types import MinLen
from jax import Array

from metaplast.references import base
from metaplast.references._life import Stream
from metaplast.references._ridge import solve
from metaplast.references.nearest_prototype import means
from metaplast.registry import register
from metaplast.spec import Probability, spec
from metaplast.tasks import AbstractTaskFamily


@register("reference", "streaming_lda")
@spec
class StreamingLda(base.StreamReference):
    """Class means m_c and one covariance S about them, both of running sums, shrunk.

        answer_c = x^T C^-1 m_c - m_c^T C^-1 m_c / 2 + log n_c
        C = (1 - shrinkage) S + shrinkage tr(S) / n_in I

    n_c: the number of examples of class c.

    Each example is used once.

    Args:
        shrinkages: the options for the shrinkage; the validation lives choose.

    Source: Hayes & Kanan 2020; Ledoit & Wolf 2004 for the shrinkage.
    """

    shrinkages: Annotated[tuple[Probability, ...], MinLen(1)] = (0.01, 0.03, 0.1, 0.3, 0.6)

    @property
    def note(self) -> str:
        return "class means with one running covariance: second-order, one pass"

    def check(self, family: AbstractTaskFamily) -> None:
        base.need_questions(self, family)
        base.need_classes(self, family)

    def options(self) -> tuple[base.Numbers, ...]:
        return tuple({"shrinkage": shrinkage} for shrinkage in self.shrinkages)

    def answers(self, stream: Stream, numbers: Any) -> Array:
        inputs, targets, shown = stream.examples
        centres = means(stream)
        apart = shown[:, None] * (inputs - targets @ centres)
        covariance = apart.T @ apart / jnp.sum(shown)
        part = numbers["shrinkage"] * jnp.trace(covariance) / inputs.shape[1]
        weights = solve((1.0 - numbers["shrinkage"]) * covariance, centres.T, part)
        counts = jnp.sum(shown[:, None] * targets, axis=0)
        offsets = jnp.log(counts) - 0.5 * jnp.sum(centres.T * weights, axis=0)
        return stream.questions @ weights + offsets[None, :]
