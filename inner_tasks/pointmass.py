"""A point mass has to be steered, and its actuators may be reversed."""

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

    targets [n_trials, 2]: the position to reach in each trial.
    signs [2]: +1, or -1 where an actuator pushes the wrong way round.
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
        loss = |target - x|^2                                      (after the step)

    n_trials: targets of a life, one after the other.
    trial_steps: steps of a trial.
    step_size: h, in the task's own unit of time.
    force: the acceleration by a full push.
    damping: friction, in 1 / unit of time.
    flip: the probability that an actuator is reversed.
    h: `step_size`, in the task's own unit of time.
    x [2]: the position, 0 at birth.
    v [2]: the velocity, 0 at birth.
    signs [2]: -1 where an actuator is reversed, with probability `flip` per axis, drawn per life.
    target [2]: uniform in [-1, 1]^2.

    The input is target - x and v, four numbers. Trials follow each other without a reset.
    The first trial has weight 0: a life may find out its signs there. Fixed weights cannot know the
    signs, so plasticity has to learn them.
    Modulator `progress`: (distance before - distance after) / h. Metric: `distance`.
    Splits: disjoint streams of the key.
    Source: this library.
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
        away = self._target(task, state.t) - state.position
        return {"input": jnp.concatenate([away, state.velocity])}

    def step(
        self, task: Plant, state: Body, output: NeuronView, key: Key, dt: float
    ) -> tuple[Body, Outcome]:
        h = self.step_size
        target = self._target(task, state.t)
        push = self.force * task.signs * jnp.tanh(output.activity)
        velocity = (1.0 - self.damping * h) * state.velocity + h * push
        position = state.position + h * velocity
        before = _distance(target, state.position)
        after = _distance(target, position)
        first_judged = min(self.trial_steps, (self.n_trials - 1) * self.trial_steps)
        score = Score(
            loss=jnp.sum((target - position) ** 2),
            weight=(state.t >= first_judged).astype(after.dtype),
            metrics={"distance": after},
        )
        signals = feedback(2, modulators={"progress": (before - after) / h})
        body = Body(position=position, velocity=velocity, t=state.t + 1)
        return body, Outcome(feedback=signals, score=score)


def _distance(target: Array, position: Array) -> Array:
    """|target - position|, with a finite gradient at 0."""
    return jnp.sqrt(jnp.sum((target - position) ** 2) + 1e-12)
