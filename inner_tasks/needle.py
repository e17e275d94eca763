"""A needle in a haystack: one of many patterns is right, and none tells how near it is."""

import jax
import jax.numpy as jnp
from jax import Array

from metaplast.registry import register
from metaplast.signals import Key, NeuronView, Outcome, Score, TaskShape, feedback
from metaplast.spec import Count, Positive, Probability, spec
from metaplast.tasks import SPLITS, AbstractTaskFamily, Split


@register("task", "needle")
@spec
class Needle(AbstractTaskFamily):
    """The network makes `n_trials` guesses at the one right pattern of `n_bits` outputs.

        reward = hill hits + (1 - hill) right
        loss = bonus (1 - reward)

    hits: the share of the outputs that are above 1/2, or not, as the pattern says.
    right: 1 where every output is so, else 0.
    n_bits: the outputs.
    n_trials: the guesses of a life.
    bonus: the loss of a guess that is wrong in every bit.
    hill: the share of the bonus that right bits earn one by one. At 0 the pattern is a needle in a
        haystack: a guess with one wrong bit is worth as little as any other.
    unstable: the probability that a bit of the pattern is drawn anew in a life. All other bits are
        on. At 0 the pattern is the same in all lives.

    The input is one unit that is always 1. The task offers the modulator `reward` alone. Output
    neurons that draw their activity at random (`stochastic`) guess. An output with a large weight
    has made up its mind.

    At hill=0 a life that finds the pattern after t wrong guesses and keeps it has the loss
    bonus t / n_trials. Then 1 + bonus - loss is 1 + bonus n / n_trials, with n the guesses that are
    left. For a bonus of 19 and unstable=0 that is the fitness of the source.
    Metric `accuracy`: right. By lot it is 2^-n_bits.
    Splits: disjoint streams of the key; where nothing is unstable, they are alike.
    Source: Hinton & Nowlan 1987; `hill` and `unstable` are of this library.
    """

    n_bits: Count = 20
    n_trials: Count = 1000
    bonus: Positive = 19.0
    hill: Probability = 0.1
    unstable: Probability = 0.2

    def shape(self) -> TaskShape:
        phases = ((self.n_trials, True),)
        offers = frozenset({"reward"})
        return TaskShape({"input": 1}, self.n_bits, phases, offers, differentiable=False)

    def chance(self) -> float:
        return 2.0**-self.n_bits

    def sample(self, key: Key, split: Split) -> Array:
        k_anew, k_bits = jax.random.split(jax.random.fold_in(key, SPLITS.index(split)))
        anew = jax.random.bernoulli(k_anew, self.unstable, (self.n_bits,))
        bits = jax.random.bernoulli(k_bits, 0.5, (self.n_bits,))
        return jnp.where(anew, bits, True).astype(float)

    def begin(self, task: Array, key: Key, dt: float) -> Array:
        return jnp.zeros((), jnp.int32)  # guesses gone by

    def stimulus(self, task: Array, state: Array, key: Key, dt: float) -> dict[str, Array]:
        return {"input": jnp.ones(1)}

    def step(
        self, task: Array, state: Array, output: NeuronView, key: Key, dt: float
    ) -> tuple[Array, Outcome]:
        hits = jnp.mean(((output.activity > 0.5) == (task > 0.5)).astype(task.dtype))
        right = (hits == 1.0).astype(task.dtype)
        reward = self.hill * hits + (1.0 - self.hill) * right
        score = Score(
            loss=self.bonus * (1.0 - reward), weight=jnp.ones(()), metrics={"accuracy": right}
        )
        signals = feedback(self.n_bits, modulators={"reward": reward})
        return state + 1, Outcome(feedback=signals, score=score)
