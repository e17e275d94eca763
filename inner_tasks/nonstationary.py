"""A world that changes without notice, in which a rule has to go on learning."""

from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from metaplast.registry import register
from metaplast.signals import Key, NeuronView, Outcome, Score, TaskShape, feedback, pytree
from metaplast.spec import Count, Natural, NonNegative, spec
from metaplast.tasks import SPLITS, AbstractTaskFamily, Split


@pytree
class World:
    """One life. The meaning of the labels changes from stretch to stretch.

    inputs [n_steps, n_in]: the stimuli.
    labels [n_steps]: the classes.
    """

    inputs: Array
    labels: Array


@register("task", "nonstationary")
@spec
class Nonstationary(AbstractTaskFamily):
    """A stream of `n_stretches` stretches of `length` examples; each stretch has new classes.

        x = centre_c + N(0, noise^2)
        centre_c ~ N(0, spread^2)

    n_in: the number of inputs.
    n_classes: classes of a stretch, and so the outputs.
    n_stretches: stretches of a life.
    length: examples of a stretch, one a step.
    spread: standard deviation of the centres.
    noise: standard deviation of an example around its centre.
    x [n_in]: an example of class c.
    centre_c [n_in]: drawn anew in every stretch, and with it the label that it has.
    grace: steps at the beginning of a stretch that have weight 0.

    Plasticity is always on. A step is scored before the network gets the answer.
    The loss is the cross-entropy. Metrics: `accuracy`; `accuracy_late`, the accuracy in the second
    half of the stretches, scaled such that its mean over the life is that accuracy. A rule whose
    step size dies out does well early and fails late.
    Splits: disjoint streams of the key.
    Source: this library.
    """

    n_in: Count = 12
    n_classes: Count = 3
    n_stretches: Count = 6
    length: Count = 30
    grace: Natural = 10
    spread: NonNegative = 0.7
    noise: NonNegative = 0.5

    def shape(self) -> TaskShape:
        phases = ((self.n_stretches * self.length, True),)
        offers = frozenset({"error", "target"})
        return TaskShape(
            {"input": self.n_in}, self.n_classes, phases, offers, differentiable=True, classes=True
        )

    def sample(self, key: Key, split: Split) -> World:
        split_key = jax.random.fold_in(key, SPLITS.index(split))
        k_centre, k_label, k_noise = jax.random.split(split_key, 3)
        n = self.n_stretches * self.length
        centres = self.spread * jax.random.normal(
            k_centre, (self.n_stretches, self.n_classes, self.n_in)
        )
        labels = jax.random.randint(k_label, (n,), 0, self.n_classes)
        mean = centres[jnp.arange(n) // self.length, labels]
        noise = self.noise * jax.random.normal(k_noise, mean.shape)
        return World(inputs=mean + noise, labels=labels)

    def begin(self, task: World, key: Key, dt: float) -> Array:
        return jnp.zeros((), jnp.int32)

    def stimulus(self, task: World, state: Array, key: Key, dt: float) -> dict[str, Array]:
        return {"input": task.inputs[state]}

    def step(
        self, task: World, state: Array, output: NeuronView, key: Key, dt: float
    ) -> tuple[Any, Outcome]:
        log_p = jax.nn.log_softmax(output.activity)
        label = task.labels[state]
        target = jax.nn.one_hot(label, self.n_classes, dtype=log_p.dtype)
        right = (jnp.argmax(log_p) == label).astype(log_p.dtype)
        half = self.n_stretches // 2
        late = (state // self.length >= half).astype(log_p.dtype)
        share = (self.n_stretches - half) / self.n_stretches
        score = Score(
            loss=-log_p[label],
            weight=(state % self.length >= self.grace).astype(log_p.dtype),
            metrics={"accuracy": right, "accuracy_late": right * late / share},
        )
        signals = feedback(self.n_classes, error=jnp.exp(log_p) - target, target=target)
        return state + 1, Outcome(feedback=signals, score=score)
