"""The work of both sides: a rule of 27 terms changes 100 x 100 synapses for T steps.

Its terms are in (pre, reward, weight).
"""

import itertools
from dataclasses import replace

import jax
import jax.numpy as jnp
from jax import Array

from metaplast.genomes.given import Given
from metaplast.life.lifetime import Lifetime, Slot
from metaplast.networks.feedforward import Feedforward
from metaplast.neurons.tanh import Tanh
from metaplast.objectives.mean_loss import MeanLoss
from metaplast.problem.meta_problem import MetaProblem
from metaplast.registry import register
from metaplast.rules.polynomial import Polynomial
from metaplast.signals import Key, NeuronView, Outcome, Score, TaskShape, feedback, pytree
from metaplast.spec import Count, spec
from metaplast.tasks import AbstractTaskFamily, Split

POWERS = tuple(itertools.product(range(3), repeat=3))  # of pre, reward, weight


def term(powers: tuple[int, ...]) -> str:
    """The term with these powers of pre, reward and weight."""
    factors = []
    for name, power in zip(("pre", "modulator.reward", "weight"), powers, strict=True):
        if power:
            factors.append(name if power == 1 else f"{name}^{power}")
    return "*".join(factors) or "1"


@pytree
class Work:
    """One life.

    inputs [T, n]: the stimuli.
    reward [T]: the rewards.
    weights {input_to_output: [n, n]}: the first weights.
    """

    inputs: Array
    reward: Array
    weights: dict[str, Array]


@register("task", "rewarded_stream")
@spec
class RewardedStream(AbstractTaskFamily):
    """Random inputs and rewards. The loss of a step is the mean square of the output."""

    n: Count = 100
    n_steps: Count = 240

    def shape(self) -> TaskShape:
        phases = ((self.n_steps, True),)
        offers = frozenset({"weights", "reward"})
        return TaskShape({"input": self.n}, self.n, phases, offers, differentiable=True)

    def sample(self, key: Key, split: Split) -> Work:
        k_x, k_r, k_w = jax.random.split(key, 3)
        weights = jax.random.normal(k_w, (self.n, self.n)) / self.n**0.5
        inputs = 0.5 * jax.random.normal(k_x, (self.n_steps, self.n))
        return Work(
            inputs=inputs,
            reward=jax.random.normal(k_r, (self.n_steps,)),
            weights={"input_to_output": weights},
        )

    def begin(self, task: Work, key: Key, dt: float) -> Array:
        return jnp.zeros((), jnp.int32)

    def stimulus(self, task: Work, state: Array, key: Key, dt: float) -> dict[str, Array]:
        return {"input": task.inputs[state]}

    def step(
        self, task: Work, state: Array, output: NeuronView, key: Key, dt: float
    ) -> tuple[Array, Outcome]:
        score = Score(loss=jnp.mean(output.activity**2), weight=jnp.ones(()), metrics={})
        signals = feedback(self.n, modulators={"reward": task.reward[state]})
        return state + 1, Outcome(feedback=signals, score=score)


def problem(n: int, n_steps: int, chunk: int = 0) -> MetaProblem:
    """The framework's side."""
    rule = Polynomial(terms=tuple(term(p) for p in POWERS), rate=1.0)
    network = Feedforward(hidden=(), output=Tanh())
    lifetime = Lifetime(
        task=RewardedStream(n=n, n_steps=n_steps),
        network=network,
        genome=Given(),
        slots=(Slot(rule=rule),),
    )
    return replace(MetaProblem(lifetime, MeanLoss()), life_clip=0.0, chunk=chunk)


def coefficients(key: Key, members: int) -> Array:
    """Small random coefficients [members, 27] that keep every life finite."""
    return 1e-3 * jax.random.normal(key, (members, len(POWERS)))
