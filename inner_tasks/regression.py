"""One-dimensional functions that a network learns from a few examples."""

import math

import jax
import jax.numpy as jnp
from jax import Array

from metaplast.registry import register
from metaplast.signals import Key, NeuronView, Outcome, Score, TaskShape, feedback, pytree
from metaplast.spec import Count, NonNegative, Positive, spec
from metaplast.tasks import SPLITS, AbstractTaskFamily, Split


@pytree
class Curve:
    """One life.

    inputs [n_steps, n_in]: x in the code of the tuning curves.
    values [n_steps]: y.
    """

    inputs: Array
    values: Array


@register("task", "regression")
@spec
class Regression(AbstractTaskFamily):
    """`shots` examples of a sinusoid one at a time, then `queries` examples with plasticity off.

        y = sin(frequency x + phase)
        input_k = exp(-(x - c_k)^2 / (2 width^2))
        loss = (output - y)^2
        error = d loss / d output

    n_in: tuning curves, and so inputs.
    shots: examples that are shown.
    queries: examples that are asked with plasticity off.
    width: of a tuning curve, in units of x.
    slowest, fastest: the range of the frequency, in radians per unit of x.
    x: uniform in [-1, 1].
    frequency: log-uniform in [slowest, fastest], in radians, drawn per life.
    phase: drawn per life.
    c_k: the centres of the `n_in` tuning curves, equally spaced in [-1, 1].
    noise: standard deviation that is added to the y of shown examples.

    Every y, with its noise, is divided by the standard deviation of the sinusoid over [-1, 1]. So
    a good constant scores about 1. Metric `nse`, the normalised squared error, is the loss.
    Splits: disjoint streams of the key.
    Source: after the sinusoid task of Finn, Abbeel & Levine 2017.
    """

    n_in: Count = 12
    shots: Count = 40
    queries: Count = 20
    width: Positive = 0.25
    slowest: Positive = 1.5
    fastest: Positive = 6.0
    noise: NonNegative = 0.05

    def shape(self) -> TaskShape:
        phases = ((self.shots, True), (self.queries, False))
        offers = frozenset({"error", "target"})
        return TaskShape({"input": self.n_in}, 1, phases, offers, differentiable=True)

    def sample(self, key: Key, split: Split) -> Curve:
        k_x, k_noise, k_curve = jax.random.split(jax.random.fold_in(key, SPLITS.index(split)), 3)
        n = self.shots + self.queries
        u = jax.random.uniform(k_curve, (2,))
        frequency = jnp.exp(math.log(self.slowest) + u[0] * math.log(self.fastest / self.slowest))
        phase = 2.0 * math.pi * u[1]
        x = jax.random.uniform(k_x, (n,), minval=-1.0, maxval=1.0)
        grid = jnp.linspace(-1.0, 1.0, 101)
        scale = 1.0 / jnp.std(jnp.sin(frequency * grid + phase))
        shown = (jnp.arange(n) < self.shots).astype(x.dtype)
        noise = self.noise * shown * jax.random.normal(k_noise, (n,))
        centres = jnp.linspace(-1.0, 1.0, self.n_in)
        inputs = jnp.exp(-0.5 * ((x[:, None] - centres[None, :]) / self.width) ** 2)
        return Curve(inputs=inputs, values=scale * (jnp.sin(frequency * x + phase) + noise))

    def begin(self, task: Curve, key: Key, dt: float) -> Array:
        return jnp.zeros((), jnp.int32)

    def stimulus(self, task: Curve, state: Array, key: Key, dt: float) -> dict[str, Array]:
        return {"input": task.inputs[state]}

    def step(
        self, task: Curve, state: Array, output: NeuronView, key: Key, dt: float
    ) -> tuple[Array, Outcome]:
        error = output.activity - task.values[state]
        loss = jnp.sum(error**2)
        score = Score(loss=loss, weight=jnp.ones(()), metrics={"nse": loss})
        signals = feedback(1, error=2.0 * error, target=task.values[state][None])
        return state + 1, Outcome(feedback=signals, score=score)
