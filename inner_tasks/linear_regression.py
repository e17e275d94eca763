"""Linear functions that a network learns from examples."""

import jax
import jax.numpy as jnp
from jax import Array

from metaplast.registry import register
from metaplast.signals import Key, NeuronView, Outcome, Score, TaskShape, feedback, pytree
from metaplast.spec import Count, NonNegative, spec
from metaplast.tasks import SPLITS, AbstractTaskFamily, Split


@pytree
class Examples:
    """One life.

    inputs [n_steps, n_in]: x.
    values [n_steps]: y.
    """

    inputs: Array
    values: Array


@register("task", "linear_regression")
@spec
class LinearRegression(AbstractTaskFamily):
    """`shots` examples of a linear function, then `queries` examples with plasticity off.

        y = sum_i a_i x_i
        x ~ N(0, 1)
        a ~ N(0, 1 / n_in)
        loss = (output - y)^2
        error = d loss / d output

    n_in: the inputs.
    shots: examples that are shown one at a time.
    queries: examples that are asked with plasticity off.
    a: the weights of the function, drawn per life.
    noise: standard deviation that is added to the y of shown examples.

    The variance of y is 1, so an output of 0 has a loss of 1.
    Metric `nse`, the normalised squared error, is the loss.
    Splits: disjoint streams of the key.
    Source: Real, Liang, So & Le 2020, whose tasks of this kind have 4 inputs.
    """

    n_in: Count = 4
    shots: Count = 100
    queries: Count = 20
    noise: NonNegative = 0.0

    def shape(self) -> TaskShape:
        phases = ((self.shots, True), (self.queries, False))
        offers = frozenset({"error", "target"})
        return TaskShape({"input": self.n_in}, 1, phases, offers, differentiable=True)

    def sample(self, key: Key, split: Split) -> Examples:
        k_x, k_a, k_noise = jax.random.split(jax.random.fold_in(key, SPLITS.index(split)), 3)
        n = self.shots + self.queries
        inputs = jax.random.normal(k_x, (n, self.n_in))
        a = jax.random.normal(k_a, (self.n_in,)) / jnp.sqrt(float(self.n_in))
        shown = (jnp.arange(n) < self.shots).astype(inputs.dtype)
        noise = self.noise * shown * jax.random.normal(k_noise, (n,))
        return Examples(inputs=inputs, values=inputs @ a + noise)

    def begin(self, task: Examples, key: Key, dt: float) -> Array:
        return jnp.zeros((), jnp.int32)

    def stimulus(self, task: Examples, state: Array, key: Key, dt: float) -> dict[str, Array]:
        return {"input": task.inputs[state]}

    def step(
        self, task: Examples, state: Array, output: NeuronView, key: Key, dt: float
    ) -> tuple[Array, Outcome]:
        error = output.activity - task.values[state]
        loss = jnp.sum(error**2)
        score = Score(loss=loss, weight=jnp.ones(()), metrics={"nse": loss})
        signals = feedback(1, error=2.0 * error, target=task.values[state][None])
        return state + 1, Outcome(feedback=signals, score=score)
