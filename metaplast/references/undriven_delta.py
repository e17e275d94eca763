"""One pass of the delta rule at the field without the drive, for pattern completion."""

from typing import Annotated, Any

import jax
import jax.numpy as jnp
from annotated_types import MinLen
from jax import Array

from metaplast.references import base
from metaplast.references._life import Stream
from metaplast.registry import register
from metaplast.spec import Positive, spec
from metaplast.tasks import AbstractTaskFamily


@register("reference", "undriven_delta")
@spec
class UndrivenDelta(base.StreamReference):
    """Pattern completion by weights that predict a unit from the others, not from its drive.

        W <- W + rate (target - W target) target^T / n_bits   at every shown step
        recall: y <- tanh(input + W y)

    The error at the driven output, f(drive target + W y) - target, is almost 0 before anything is
    learned. This rule avoids it.

    Args:
        rates: the options for the rate; the validation lives choose. With 1 a step answers its own
            pattern without error.

    Source: Widrow & Hoff 1960; Diederich & Opper 1987 for patterns.
    """

    rates: Annotated[tuple[Positive, ...], MinLen(1)] = (0.0625, 0.125, 0.25, 0.5, 1.0)

    @property
    def note(self) -> str:
        return "one pass of the delta rule at the field without the drive"

    def check(self, family: AbstractTaskFamily) -> None:
        base.need_task(self, family, "association")

    def options(self) -> tuple[base.Numbers, ...]:
        return tuple({"rate": rate} for rate in self.rates)

    def answers(self, stream: Stream, numbers: Any) -> Array:
        _, targets, shown = stream.examples
        n_bits = targets.shape[1]

        def learn(weights: Array, now: tuple[Array, Array]) -> tuple[Array, None]:
            target, on = now
            error = target - weights @ target
            return weights + on * numbers["rate"] / n_bits * jnp.outer(error, target), None

        def recall(output: Array, inputs: Array) -> tuple[Array, Array]:
            output = jnp.tanh(inputs + weights @ output)
            return output, output

        weights, _ = jax.lax.scan(learn, jnp.zeros((n_bits, n_bits)), (targets, shown))
        return jax.lax.scan(recall, jnp.zeros(n_bits), stream.questions)[1]
