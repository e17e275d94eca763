"""Class means that forget."""

from typing import Annotated, Any

import jax
import jax.numpy as jnp
from annotated_types import MinLen
from jax import Array

from metaplast.references import base
from metaplast.references._life import Stream
from metaplast.registry import register
from metaplast.spec import Probability, spec
from metaplast.tasks import AbstractTaskFamily


@register("reference", "forgetting_mean")
@spec
class ForgettingMean(base.StreamReference):
    """The nearest class mean, of means in which older examples count less.

    At every step that shows class c:

        s_c <- keep s_c + x
        n_c <- keep n_c + 1
        m_c = s_c / n_c

    s_c [n_in]: the sum of the inputs of class c.
    n_c: the number of its examples, likewise with weights.
    m_c [n_in]: its mean.
    x [n_in]: the input of the step.

    A step is answered before it is learned from. A class not seen yet is never answered.

    Args:
        keeps: the options for `keep`; the validation lives choose.

    Source: elementary.
    """

    keeps: Annotated[tuple[Probability, ...], MinLen(1)] = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)

    @property
    def note(self) -> str:
        return "the nearest of class means that forget exponentially"

    def check(self, family: AbstractTaskFamily) -> None:
        base.need_targets(self, family)
        base.need_classes(self, family)

    def options(self) -> tuple[base.Numbers, ...]:
        return tuple({"keep": keep} for keep in self.keeps)

    def answers(self, stream: Stream, numbers: Any) -> Array:
        n_classes = stream.targets.shape[1]
        n_in = stream.inputs.shape[1]

        def step(
            state: tuple[Array, Array], now: tuple[Array, Array, Array]
        ) -> tuple[tuple[Array, Array], Array]:
            sums, counts = state
            inputs, target, shown = now
            known = counts > 0
            centres = sums / jnp.where(known, counts, 1.0)[:, None]
            answer = jnp.where(known, -jnp.sum((inputs[None, :] - centres) ** 2, axis=-1), -jnp.inf)
            label = shown * target
            kept = 1.0 - label * (1.0 - numbers["keep"])
            sums = kept[:, None] * sums + jnp.outer(label, inputs)
            return (sums, kept * counts + label), answer

        born = (jnp.zeros((n_classes, n_in)), jnp.zeros(n_classes))
        _, answers = jax.lax.scan(step, born, (stream.inputs, stream.targets, stream.shown))
        return answers[-stream.n_asked :]
