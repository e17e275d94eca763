"""Recursive least squares: a second-order linear readout, of the inputs or of random features."""

from typing import Annotated, Any

import jax
import jax.numpy as jnp
from annotated_types import MinLen
from jax import Array

from metaplast.references import base
from metaplast.references._life import Stream
from metaplast.references._ridge import ridge
from metaplast.registry import register
from metaplast.spec import Natural, Positive, spec
from metaplast.tasks import AbstractTaskFamily


@register("reference", "recursive_least_squares")
@spec
class RecursiveLeastSquares(base.StreamReference):
    """A linear readout y = W (phi(x), 1) that uses every example once.

    With P = I / penalty and W = 0 at birth:

        k = P phi / (1 + phi^T P phi)
        W <- W + (target - W phi) k^T
        P <- P - k phi^T P

    After n examples that is W = Y^T X (X^T X + penalty I)^-1, X [n, n_in + 1], and it is computed
    so. phi(x) = x, or max(0, A x) with A of N(0, 1 / n_in), drawn anew in every life.

    Args:
        features: the number of random features; 0: phi(x) = x.
        penalties: the options for the penalty; the validation lives choose.

    Source: Plackett 1950.
    """

    features: Natural = 0
    penalties: Annotated[tuple[Positive, ...], MinLen(1)] = (0.01, 0.1, 1.0, 10.0, 100.0)

    @property
    def note(self) -> str:
        regressors = f"{self.features} random features" if self.features else "the inputs"
        return f"recursive least squares with bias on {regressors}: second-order, one pass"

    def check(self, family: AbstractTaskFamily) -> None:
        base.need_questions(self, family)

    def options(self) -> tuple[base.Numbers, ...]:
        return tuple({"penalty": penalty} for penalty in self.penalties)

    def answers(self, stream: Stream, numbers: Any) -> Array:
        inputs, targets, shown = stream.examples
        rows = shown[:, None] * self._features(stream, inputs)
        values = shown[:, None] * targets
        return ridge(rows, values, self._features(stream, stream.questions), numbers["penalty"])

    def _features(self, stream: Stream, inputs: Array) -> Array:
        ones = jnp.ones((inputs.shape[0], 1), inputs.dtype)
        if not self.features:
            return jnp.concatenate([inputs, ones], axis=1)
        n_in = inputs.shape[1]
        mixing = jax.random.normal(stream.key, (n_in, self.features)) / jnp.sqrt(n_in)
        return jnp.concatenate([jax.nn.relu(inputs @ mixing), ones], axis=1)
