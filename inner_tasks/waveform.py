"""A wave that a network follows, or goes on with by itself."""

import math
from dataclasses import replace
from typing import Annotated

import jax
import jax.numpy as jnp
from annotated_types import MinLen
from jax import Array

from metaplast.registry import BadInput, register
from metaplast.signals import Key, NeuronView, Outcome, Score, TaskShape, feedback, pytree
from metaplast.spec import Count, Positive, spec
from metaplast.tasks import SPLITS, AbstractTaskFamily, Split


@pytree
class Wave:
    """One life.

    period []: of the wave, in seconds.
    phases [n_harmonics]: of its harmonics, in radians.
    """

    period: Array
    phases: Array


@register("task", "waveform")
@spec
class Waveform(AbstractTaskFamily):
    """The output is to be a sum of sines: `n_learn` steps to learn it, `n_held` to hold it.

        f(t) = sum_k a_k sin(2 pi k t / period + phase_k)
        loss = (output - f(t))^2
        error = d loss / d output

    amplitudes: a_k of the harmonics k = 1, 2 and so on.
    shortest, longest: the range of the period, in seconds. It is drawn log-uniformly in each life.
    random_phases: whether each phase_k is drawn, uniformly in [0, 2 pi]; otherwise all are 0.
    shown: whether the input is f(t) itself, in both phases: the network learns the identity. If
        not, the input is 0, and a network that holds the wave generates it.
    n_learn: steps with plasticity on.
    n_held: steps with plasticity off.

    Metric `nse`, the normalised squared error: the loss over the mean square of the wave. An output
    of 0 has an nse of 1 on average over whole periods.
    Splits: disjoint streams of the key. With random_phases=false and shortest = longest, all lives
    have the same wave.
    Source: the identity is the demonstration of Nengo's rules PES and RLS; the generated sum of
    four sines is that of Sussillo & Abbott 2009.

    Raises:
        BadInput: where shortest is above longest, or all amplitudes are 0.
    """

    amplitudes: Annotated[tuple[float, ...], MinLen(1)] = (1.0,)
    shortest: Positive = 1.0
    longest: Positive = 1.0
    random_phases: bool = True
    shown: bool = True
    n_learn: Count = 1000
    n_held: Count = 1000

    def __post_init__(self) -> None:
        if self.shortest > self.longest:
            what = f"waveform: shortest={self.shortest}"
            raise BadInput(what, f"at most longest={self.longest}", "swap them")
        if not any(self.amplitudes):
            what = f"waveform: amplitudes={self.amplitudes}"
            raise BadInput(what, "one that is not 0", "set one")

    def shape(self) -> TaskShape:
        phases = ((self.n_learn, True), (self.n_held, False))
        offers = frozenset({"error", "target"})
        return TaskShape({"input": 1}, 1, phases, offers, differentiable=True)

    def halved(self) -> "Waveform":
        return replace(self, n_learn=2 * self.n_learn, n_held=2 * self.n_held)

    def sample(self, key: Key, split: Split) -> Wave:
        k_period, k_phases = jax.random.split(jax.random.fold_in(key, SPLITS.index(split)))
        span = math.log(self.longest / self.shortest)
        period = self.shortest * jnp.exp(span * jax.random.uniform(k_period))
        turns = jax.random.uniform(k_phases, (len(self.amplitudes),))
        if not self.random_phases:
            turns = jnp.zeros_like(turns)
        return Wave(period=period, phases=2.0 * math.pi * turns)

    def begin(self, task: Wave, key: Key, dt: float) -> Array:
        return jnp.zeros((), jnp.int32)

    def stimulus(self, task: Wave, state: Array, key: Key, dt: float) -> dict[str, Array]:
        wave = self._wave(task, state, dt)
        return {"input": wave[None] if self.shown else jnp.zeros(1)}

    def step(
        self, task: Wave, state: Array, output: NeuronView, key: Key, dt: float
    ) -> tuple[Array, Outcome]:
        wave = self._wave(task, state, dt)
        error = output.activity - wave
        loss = jnp.sum(error**2)
        power = 0.5 * sum(a**2 for a in self.amplitudes)
        score = Score(loss=loss, weight=jnp.ones(()), metrics={"nse": loss / power})
        signals = feedback(1, error=2.0 * error, target=wave[None])
        return state + 1, Outcome(feedback=signals, score=score)

    def _wave(self, task: Wave, step: Array, dt: float) -> Array:
        """f(t) in a step []."""
        turns = dt * step.astype(task.period.dtype) / task.period
        harmonics = jnp.arange(1.0, len(self.amplitudes) + 1.0)
        angles = 2.0 * math.pi * turns * harmonics + task.phases
        return jnp.sum(jnp.asarray(self.amplitudes) * jnp.sin(angles))
