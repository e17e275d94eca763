"""A needle in a haystack: one of many patterns is right, and none tells how near it is."""

import jax.numpy as jnp
from jax import Array

from metaplast.registry import register
from metaplast.signals import Key, NeuronView, Outcome, Score, TaskShape, feedback
from metaplast.spec import Count, Positive, spec
from metaplast.tasks import AbstractTaskFamily, Split


@register("task", "needle")
@spec
class Needle(AbstractTaskFamily):
    """The network makes `n_trials` guesses at the one right pattern of `n_bits` outputs.

        right = 1 where every output is above 1/2, else 0
        loss = bonus (1 - right)
        reward = right

    n_bits: the outputs. All of them on is the right pattern. Which pattern is the right one does
        not matter, as long as nothing treats outputs and their absence differently at birth.
    n_trials: the guesses of a life.
    bonus: the loss of a wrong guess.

    The input is one unit that is always 1. The task offers the modulator `reward` alone: a pattern
    with one wrong output earns as little as any other. Output neurons that draw their activity at
    random (`stochastic`) guess. An output with a large weight has made up its mind.

    A life that finds the pattern after t guesses and keeps it has the loss bonus t / n_trials. Then
    1 + bonus - loss is 1 + bonus n / n_trials, with n the guesses that are left: the fitness of the
    source for a bonus of 19.
    Metric `accuracy`: right. By chance it is 2^-n_bits.
    Splits: the three are alike. There is one task.
    Source: Hinton & Nowlan 1987.
    """

    n_bits: Count = 20
    n_trials: Count = 1000
    bonus: Positive = 19.0

    def shape(self) -> TaskShape:
        phases = ((self.n_trials, True),)
        offers = frozenset({"reward"})
        return TaskShape({"input": 1}, self.n_bits, phases, offers, differentiable=False)

    def chance(self) -> float:
        return 2.0**-self.n_bits

    def sample(self, key: Key, split: Split) -> tuple[()]:
        return ()

    def begin(self, task: tuple[()], key: Key, dt: float) -> Array:
        return jnp.zeros((), jnp.int32)  # guesses gone by

    def stimulus(self, task: tuple[()], state: Array, key: Key, dt: float) -> dict[str, Array]:
        return {"input": jnp.ones(1)}

    def step(
        self, task: tuple[()], state: Array, output: NeuronView, key: Key, dt: float
    ) -> tuple[Array, Outcome]:
        right = jnp.all(output.activity > 0.5).astype(output.activity.dtype)
        score = Score(
            loss=self.bonus * (1.0 - right), weight=jnp.ones(()), metrics={"accuracy": right}
        )
        signals = feedback(self.n_bits, modulators={"reward": right})
        return state + 1, Outcome(feedback=signals, score=score)
