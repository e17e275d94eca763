"""A neuron whose potential has to follow the potential of a teacher."""

import math
from dataclasses import replace

import jax
import jax.numpy as jnp
from jax import Array

from metaplast.registry import register
from metaplast.signals import Key, NeuronView, Outcome, Score, TaskShape, feedback, pytree
from metaplast.spec import Count, NonNegative, Positive, spec
from metaplast.tasks import SPLITS, AbstractTaskFamily, Split


@pytree
class Somatic:
    """One life.

    chances [n_steps, n_in]: uniform; an input spikes where its chance is below 1 - exp(-rate dt).
    weights [n_in]: of the teacher.
    """

    chances: Array
    weights: Array


@pytree
class Filtered:
    """The state of a life.

    t []: steps gone by.
    trace [n_in]: the filtered spikes of the inputs at the synapses.
    """

    t: Array
    trace: Array


@register("task", "taught_potential")
@spec
class TaughtPotential(AbstractTaskFamily):
    """The potential of one output neuron has to follow the potential of a teacher.

        s_i <- exp(-dt/tau) s_i + spike_i
        v = sum_i w*_i s_i
        loss = (v - u)^2

    n_in: the number of inputs.
    n_steps: steps of a life.
    rate: of the inputs, in hertz.
    weight_sd: sqrt(n_in) times the standard deviation of a weight of the teacher.
    s [n_in]: the stimulus.
    spike [n_in]: Poisson spikes of the inputs, at `rate` hertz.
    tau: time constant of the filtered spikes, in seconds.
    v: the potential of the teacher.
    w* [n_in]: its weights, N(0, weight_sd^2 / n_in), fixed within a life.
    u: the potential of the output, not its spikes.

    v comes as the modulator `teacher`. The task offers no error and no target. It is
    differentiable.
    Splits: disjoint streams of the key.
    Known answer: delta_w = rate s (v - u).
    Source: the smaller relative of the error task of Jordan et al. 2021, after Urbanczik & Senn
    2014.
    """

    n_in: Count = 12
    n_steps: Count = 200
    rate: Positive = 40.0
    tau: Positive = 10e-3
    weight_sd: NonNegative = 2.0

    def shape(self) -> TaskShape:
        phases = ((self.n_steps, True),)
        offers = frozenset({"teacher"})
        return TaskShape({"input": self.n_in}, 1, phases, offers, differentiable=True)

    def halved(self) -> "TaughtPotential":
        return replace(self, n_steps=2 * self.n_steps)

    def sample(self, key: Key, split: Split) -> Somatic:
        k_chances, k_weights = jax.random.split(jax.random.fold_in(key, SPLITS.index(split)))
        sd = self.weight_sd / math.sqrt(self.n_in)
        return Somatic(
            chances=jax.random.uniform(k_chances, (self.n_steps, self.n_in)),
            weights=sd * jax.random.normal(k_weights, (self.n_in,)),
        )

    def begin(self, task: Somatic, key: Key, dt: float) -> Filtered:
        return Filtered(t=jnp.zeros((), jnp.int32), trace=jnp.zeros(self.n_in))

    def stimulus(self, task: Somatic, state: Filtered, key: Key, dt: float) -> dict[str, Array]:
        return {"input": self._moved(task, state, dt)}

    def step(
        self, task: Somatic, state: Filtered, output: NeuronView, key: Key, dt: float
    ) -> tuple[Filtered, Outcome]:
        trace = self._moved(task, state, dt)
        teacher = jnp.sum(task.weights * trace)
        score = Score(loss=(teacher - output.potential[0]) ** 2, weight=jnp.ones(()), metrics={})
        signals = feedback(1, modulators={"teacher": teacher})
        return Filtered(t=state.t + 1, trace=trace), Outcome(feedback=signals, score=score)

    def _moved(self, task: Somatic, state: Filtered, dt: float) -> Array:
        """The trace of this step."""
        drawn = task.chances[jnp.minimum(state.t, self.n_steps - 1)]
        fires = drawn < -math.expm1(-self.rate * dt)
        return math.exp(-dt / self.tau) * state.trace + fires.astype(drawn.dtype)
