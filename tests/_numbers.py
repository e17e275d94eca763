"""A task that shows given numbers, and tells when a trial ends."""

from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import Array

from metaplast.registry import register
from metaplast.signals import Outcome, Score, TaskShape, feedback
from metaplast.spec import Count, spec
from metaplast.tasks import AbstractTaskFamily


@register("task", "numbers")
@spec
class Numbers(AbstractTaskFamily):
    """Every life sees `stimuli`, and the error of the output is the output itself.

    n_in, n_out: sizes.
    phases: (steps, plastic) in order.
    ends: the steps after which a new trial begins.
    """

    n_in: Count = 3
    n_out: Count = 2
    phases: tuple[tuple[int, bool], ...] = ((12, True),)
    ends: tuple[int, ...] = ()

    def shape(self) -> TaskShape:
        offers = frozenset({"error", "reset"})
        return TaskShape({"input": self.n_in}, self.n_out, self.phases, offers, differentiable=True)

    def stimuli(self) -> np.ndarray:
        """[n_steps, n_in]."""
        return np.random.default_rng(5).normal(size=(self.shape().n_steps, self.n_in))

    def sample(self, key: Any, split: Any) -> Array:
        return jnp.asarray(self.stimuli(), float)

    def begin(self, task: Array, key: Any, dt: float) -> Array:
        return jnp.zeros((), jnp.int32)

    def stimulus(self, task: Array, state: Array, key: Any, dt: float) -> dict[str, Array]:
        return {"input": task[state]}

    def step(
        self, task: Array, state: Array, output: Any, key: Any, dt: float
    ) -> tuple[Array, Outcome]:
        ended = jnp.isin(state, jnp.asarray(self.ends, jnp.int32)).astype(task.dtype)
        told = feedback(self.n_out, error=output.activity, reset=ended)
        score = Score(loss=jnp.mean(output.activity**2), weight=jnp.ones(()), metrics={})
        return state + 1, Outcome(feedback=told, score=score)
