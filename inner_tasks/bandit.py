"""A bandit: the network has to find the arm that pays most."""

from typing import Literal

import jax
import jax.numpy as jnp
from jax import Array

from metaplast.registry import BadInput, register
from metaplast.signals import Key, NeuronView, Outcome, Score, TaskShape, feedback
from metaplast.spec import Count, spec
from metaplast.tasks import SPLITS, AbstractTaskFamily, Split


@register("task", "bandit")
@spec
class Bandit(AbstractTaskFamily):
    """`n_steps` pulls of `n_arms` arms. Arm k pays 1 with probability p_k, else 0.

    n_arms: the number of arms, and so of outputs.
    n_steps: the pulls of a life.
    p_k: the probability that arm k pays.
    arms: with `independent`, each p_k is uniform in [0, 1]. With `dependent`, there are two arms
        with p and 1 - p, and p is uniform: the pay of one arm tells about the other.

    p_k is fixed within a life. The input is one unit that is always 1. The action is the arm with
    the largest output activity; one is drawn where several are largest. The neuron `choice` as
    output explores, any other neuron is greedy.

        loss = max_k p_k - p_c        for the arm c that is pulled: the regret

    Metrics: `accuracy`, 1 where the best arm was pulled; `reward`. The task offers the modulator
    `reward` alone, no error and no target. It is not differentiable: search with evolution.
    Known answer: with the output `choice`, the terms modulator.reward*post*pre and post*pre*weight
    are the delta rule on the arm pulled, w += rate (c_1 reward - c_2 w).
    Splits: disjoint streams of the key.
    Source: Wang et al. 2016.

    Raises: BadInput for dependent arms other than two.
    """

    n_arms: Count = 2
    arms: Literal["independent", "dependent"] = "independent"
    n_steps: Count = 60

    def __post_init__(self) -> None:
        if self.arms == "dependent" and self.n_arms != 2:
            raise BadInput(f"n_arms={self.n_arms} with dependent arms", "2", "use independent arms")

    def shape(self) -> TaskShape:
        phases = ((self.n_steps, True),)
        offers = frozenset({"reward"})
        return TaskShape({"input": 1}, self.n_arms, phases, offers, differentiable=False)

    def sample(self, key: Key, split: Split) -> Array:
        p = jax.random.uniform(jax.random.fold_in(key, SPLITS.index(split)), (self.n_arms,))
        return jnp.stack([p[0], 1.0 - p[0]]) if self.arms == "dependent" else p

    def begin(self, task: Array, key: Key, dt: float) -> Array:
        return jnp.zeros((), jnp.int32)

    def stimulus(self, task: Array, state: Array, key: Key, dt: float) -> dict[str, Array]:
        return {"input": jnp.ones(1)}

    def step(
        self, task: Array, state: Array, output: NeuronView, key: Key, dt: float
    ) -> tuple[Array, Outcome]:
        k_tie, k_reward = jax.random.split(key)
        largest = output.activity >= jnp.max(output.activity)
        arm = jnp.argmax(jnp.where(largest, jax.random.uniform(k_tie, (self.n_arms,)), -1.0))
        reward = jax.random.bernoulli(k_reward, task[arm]).astype(task.dtype)
        best = jnp.max(task)
        score = Score(
            loss=best - task[arm],
            weight=jnp.ones(()),
            metrics={"accuracy": (task[arm] == best).astype(task.dtype), "reward": reward},
        )
        signals = feedback(self.n_arms, modulators={"reward": reward})
        return state + 1, Outcome(feedback=signals, score=score)
