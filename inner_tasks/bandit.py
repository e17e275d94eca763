"""A bandit: the network has to find the arm that pays most."""

from typing import Literal

import jax
import jax.numpy as jnp
from jax import Array

from inner_tasks._action import most_active
from metaplast.registry import BadInput, register
from metaplast.signals import Key, NeuronView, Outcome, Score, TaskShape, feedback
from metaplast.spec import Count, Probability, spec
from metaplast.tasks import SPLITS, AbstractTaskFamily, Split


@register("task", "bandit")
@spec
class Bandit(AbstractTaskFamily):
    """`n_steps` pulls of `n_arms` arms. Arm k pays 1 with probability p_k, else 0.

    n_arms: the number of arms, and so of outputs.
    n_steps: the pulls of a life.
    p_k: the probability that arm k pays.
    arms: with `independent`, each p_k is uniform in [0, 1]. With `dependent`, there are two arms
        with p and 1 - p, and p is uniform: the pay of one arm tells about the other. With
        `informative`, one pull tells all, at the price of its own low pay (below).
    better: of dependent arms, the larger of p and 1 - p, at either arm; 0: p is uniform.

    p_k is fixed within a life. The input is one unit that is always 1. The action is the arm with
    the largest output activity; one is drawn where several are largest. The neuron `choice` as
    output explores, any other neuron is greedy.

        loss = max_k p_k - p_c        for the arm c that is pulled: the regret

    Informative arms pay p_k itself in every pull. One of the first n_arms - 1 pays 1, the others of
    them 1/5. The last arm pays i / (5 (n_arms - 1)), where i = 1, 2 ... is the number of the arm
    that pays 1. So one pull of it, and then the best arm, has a regret of 0.89 on average at
    n_arms=11; a search through the others has 3.6.

    Metrics: `accuracy`, 1 where the best arm was pulled; `reward`. The task offers the modulator
    `reward` alone, no error and no target. It is not differentiable: search with evolution.
    Known answer: with the output `choice`, the terms modulator.reward*post*pre and post*pre*weight
    are the delta rule on the arm pulled, w += rate (c_1 reward - c_2 w).
    Splits: disjoint streams of the key. Where `better` is set, or arms are informative, the few
    lives that there are come in all splits.
    Source: Wang et al. 2016. Its dependent arms are uniform, or better=0.9, 0.75, 0.6: easy,
    medium, hard; its informative arms are eleven, of pay 5, 1 and 0.1 i.

    Raises: BadInput for dependent arms other than two, for `better` of other arms or below 1/2, and
    for fewer than three informative arms.
    """

    n_arms: Count = 2
    arms: Literal["independent", "dependent", "informative"] = "independent"
    n_steps: Count = 60
    better: Probability = 0.0

    def __post_init__(self) -> None:
        if self.arms == "dependent" and self.n_arms != 2:
            raise BadInput(f"n_arms={self.n_arms} with dependent arms", "2", "use independent arms")
        if self.better and self.arms != "dependent":
            raise BadInput(
                f"better={self.better:g} with {self.arms} arms",
                "dependent arms, of which it is a probability",
                "set arms=dependent, or better=0",
            )
        if 0.0 < self.better < 0.5:
            raise BadInput(
                f"better={self.better:g}", "0, or a probability of at least 0.5", "take 1 - better"
            )
        if self.arms == "informative" and self.n_arms < 3:
            raise BadInput(
                f"n_arms={self.n_arms} with informative arms",
                "at least 3: two to tell apart, and one that tells",
                "raise n_arms",
            )

    def shape(self) -> TaskShape:
        phases = ((self.n_steps, True),)
        offers = frozenset({"reward"})
        return TaskShape({"input": 1}, self.n_arms, phases, offers, differentiable=False)

    def n_kinds(self, split: Split) -> int | None:
        if self.arms == "informative":
            return self.n_arms - 1
        if self.better > 0.5:
            return 2
        return None

    def sample_kind(self, key: Key, split: Split, kind: Array) -> Array:
        if self.n_kinds(split) is None:
            return super().sample_kind(key, split, kind)
        if self.arms == "informative":
            return _pay(kind, self.n_arms)
        first = jnp.where(kind == 0, self.better, 1.0 - self.better)
        return jnp.stack([first, 1.0 - first])

    def chance(self) -> float:
        return 1.0 if self.better == 0.5 else 1.0 / self.n_arms

    def sample(self, key: Key, split: Split) -> Array:
        p = jax.random.uniform(jax.random.fold_in(key, SPLITS.index(split)), (self.n_arms,))
        if self.arms == "informative":
            return _pay(jnp.argmax(p[:-1]), self.n_arms)
        if self.arms == "dependent":
            first = p[0]
            if self.better:
                first = jnp.where(first < 0.5, self.better, 1.0 - self.better)
            return jnp.stack([first, 1.0 - first])
        return p

    def begin(self, task: Array, key: Key, dt: float) -> Array:
        return jnp.zeros((), jnp.int32)

    def stimulus(self, task: Array, state: Array, key: Key, dt: float) -> dict[str, Array]:
        return {"input": jnp.ones(1)}

    def step(
        self, task: Array, state: Array, output: NeuronView, key: Key, dt: float
    ) -> tuple[Array, Outcome]:
        k_tie, k_reward = jax.random.split(key)
        arm = most_active(output.activity, k_tie)
        reward = task[arm]
        if self.arms != "informative":
            reward = jax.random.bernoulli(k_reward, reward).astype(task.dtype)
        best = jnp.max(task)
        score = Score(
            loss=best - task[arm],
            weight=jnp.ones(()),
            metrics={"accuracy": (task[arm] == best).astype(task.dtype), "reward": reward},
        )
        signals = feedback(self.n_arms, modulators={"reward": reward})
        return state + 1, Outcome(feedback=signals, score=score)


def _pay(best: Array, n_arms: int) -> Array:
    """The pay of informative arms [n_arms]. best []: the arm that pays 1."""
    n = n_arms - 1
    arms = jnp.arange(n, dtype=jnp.int32)
    pay = jnp.where(arms == best.astype(jnp.int32), 1.0, 0.2)
    return jnp.append(pay, 0.2 * (best.astype(jnp.int32) + 1).astype(pay.dtype) / n)
