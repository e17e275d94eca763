"""Few-shot learning on synthetic classes."""

from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from inner_tasks import _few_shot
from metaplast.interfaces import SPLITS, AbstractTaskFamily, Split
from metaplast.registry import register
from metaplast.signals import Key, NeuronView, Outcome, TaskShape
from metaplast.spec import Count, NonNegative, spec


@register("task", "prototypes")
@spec
class Prototypes(AbstractTaskFamily):
    """Each class is a mixture of `n_prototypes` points N(0, spread^2) of n_in dimensions; an example is one of them,
    chosen at random, plus N(0, noise^2).

    The splits draw from disjoint streams of the key, so no prototype is ever shared.
    """

    n_in: Count = 24
    n_classes: Count = 5
    n_prototypes: Count = 2
    spread: NonNegative = 0.7
    noise: NonNegative = 0.5
    shots: Count = 20
    queries: Count = 10

    def shape(self) -> TaskShape:
        return _few_shot.shape(self.n_in, self.n_classes, self.shots, self.queries)

    def sample(self, key: Key, split: Split) -> _few_shot.Stream:
        k_proto, k_which, k_noise, k_order = jax.random.split(jax.random.fold_in(key, SPLITS.index(split)), 4)
        n_each = self.shots + self.queries
        prototypes = self.spread * jax.random.normal(k_proto, (self.n_classes, self.n_prototypes, self.n_in))
        which = jax.random.randint(k_which, (self.n_classes, n_each), 0, self.n_prototypes)
        centres = jnp.take_along_axis(prototypes, which[:, :, None], axis=1)
        inputs = centres + self.noise * jax.random.normal(k_noise, (self.n_classes, n_each, self.n_in))
        return _few_shot.shuffled(jax.random.uniform(k_order, (self.n_classes * n_each,)), inputs, self.shots)

    def begin(self, task: _few_shot.Stream, key: Key, dt: float) -> Array:
        return jnp.zeros((), jnp.int32)

    def stimulus(self, task: _few_shot.Stream, state: Array, key: Key, dt: float) -> dict[str, Array]:
        return {"input": task.inputs[state]}

    def step(
        self, task: _few_shot.Stream, state: Array, output: NeuronView, key: Key, dt: float
    ) -> tuple[Any, Outcome]:
        return _few_shot.answer(task, state, output)
