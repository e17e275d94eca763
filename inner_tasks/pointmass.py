"""Steering a point mass whose actuators may be reversed."""

from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from metaplast.registry import register
from metaplast.signals import Key, NeuronView, Outcome, Score, TaskShape, feedback, pytree
from metaplast.spec import Count, NonNegative, Positive, Probability, spec
from metaplast.tasks import SPLITS, AbstractTaskFamily, Split


@pytree
class Plant:
    """One life.

    targets [n_trials, 2]: the position to reach in each trial
    signs [2]: +1, or -1 where an actuator pushes the wrong way round
    """

    targets: Array
    signs: Array


@pytree
class Body:
    """The moving mass: position [2], velocity [2], and the number t [] of steps gone by."""

    position: Array
    velocity: Array
    t: Array


@register("task", "pointmass")
@spec
class Pointmass(AbstractTaskFamily):
    """Two outputs push a mass of 1 in the plane to a target; every trial has a new target.

        v <- (1 - damping h) v + h force signs tanh(output)
        x <- x + h v                                               (semi-implicit Euler)

    h: `step_size`, in the task's own unit of time
    x, v [2]: position and velocity, 0 at birth; trials follow each other without a reset
    signs [2]: -1 where an actuator is reversed, with probability `flip` per axis, drawn per life
    target [2]: uniform in [-1, 1]^2

    Input: target - x and v, four numbers. loss = |target - x|^2 after the step, with weight 0 in
    the first trial: there a life may find out its signs. Modulator `progress`: (distance before -
    distance after) / h. Fixed weights cannot know the signs: plasticity has to learn them. Splits:
    disjoint streams of the key.
    """

    n_trials: Count = 4
    trial_steps: Count = 40
    step_size: Positive = 0.1
    force: Positive = 2.0
    damping: NonNegative = 1.0
    flip: Probability = 0.5

    def shape(self) -> TaskShape:
        phases = ((self.n_trials * self.trial_steps, True),)
        return TaskShape({"input": 4}, 2, phases, frozenset({"progress"}), differentiable=True)

    def sample(self, key: Key, split: Split) -> Plant:
        k_target, k_sign = jax.random.split(jax.random.fold_in(key, SPLITS.index(split)))
        reversed_ = jax.random.uniform(k_sign, (2,)) < self.flip
        targets = jax.random.uniform(k_target, (self.n_trials, 2), minval=-1.0, maxval=1.0)
        return Plant(targets=targets, signs=jnp.where(reversed_, -1.0, 1.0))

    def begin(self, task: Plant, key: Key, dt: float) -> Body:
        return Body(position=jnp.zeros(2), velocity=jnp.zeros(2), t=jnp.zeros((), jnp.int32))

    def _target(self, task: Plant, t: Array) -> Array:
        return task.targets[jnp.minimum(t // self.trial_steps, self.n_trials - 1)]

    def stimulus(self, task: Plant, state: Body, key: Key, dt: float) -> dict[str, Array]:
        return {
            "input": jnp.concatenate([self._target(task, state.t) - state.position, state.velocity])
        }

    def step(
        self, task: Plant, state: Body, output: NeuronView, key: Key, dt: float
    ) -> tuple[Body, Outcome]:
        h, target = self.step_size, self._target(task, state.t)
        push = self.force * task.signs * jnp.tanh(output.activity)
        velocity = (1.0 - self.damping * h) * state.velocity + h * push
        position = state.position + h * velocity
        before, after = (
            jnp.sqrt(jnp.sum((target - x) ** 2) + 1e-12) for x in (state.position, position)
        )
        score = Score(
            loss=jnp.sum((target - position) ** 2),
            weight=(
                state.t >= min(self.trial_steps, (self.n_trials - 1) * self.trial_steps)
            ).astype(after.dtype),
            metrics={"distance": after},
        )
        told: Any = feedback(2, modulators={"progress": (before - after) / h})
        return Body(position=position, velocity=velocity, t=state.t + 1), Outcome(
            feedback=told, score=score
        )
