"""A pole has to be balanced on a cart, and the body may be damaged."""

from typing import Literal

import jax
import jax.numpy as jnp
from jax import Array

from metaplast.registry import BadInput, register
from metaplast.signals import Key, NeuronView, Outcome, Score, TaskShape, feedback, pytree
from metaplast.spec import Count, Positive, Probability, spec
from metaplast.tasks import SPLITS, AbstractTaskFamily, Split

Damage = Literal["none", "reversed", "turned", "weak", "long"]
UNDAMAGED: Damage = "none"
GRAVITY = 9.8
CART_MASS = 1.0
POLE_MASS = 0.1
HALF_LENGTH = 0.5
TRACK = 2.4
LARGEST_ANGLE = 12.0 * jnp.pi / 180.0
START = 0.05
SCALES = (TRACK, 2.0, LARGEST_ANGLE, 2.0)
"""Of position, velocity, angle and angular velocity: the inputs are about 1 before a fall."""


@pytree
class Plant:
    """One life.

    gains [n_trials]: what the actuator makes of a push in each trial; 1 where it is intact.
    half_length []: half the length of the pole, in metres.
    starts [n_trials, 4]: the motion at the beginning of each trial.
    """

    gains: Array
    half_length: Array
    starts: Array


@pytree
class Balance:
    """The state of a life.

    motion [4]: position x, velocity v, angle phi and angular velocity omega.
    up []: 1 while the pole stands and the cart is on its track, else 0.
    t []: steps gone by.
    """

    motion: Array
    up: Array
    t: Array


@register("task", "cart_pole")
@spec
class CartPole(AbstractTaskFamily):
    """One output pushes a cart so that the pole on it does not fall; `n_trials` falls at most.

        F = force gain tanh(output)
        a = (F + m l omega^2 sin(phi)) / M
        domega/dt = (g sin(phi) - a cos(phi)) / (l (4/3 - m cos(phi)^2 / M))
        dv/dt = a - m l cos(phi) domega/dt / M
        x <- x + h v
        v <- v + h dv/dt
        phi <- phi + h omega
        omega <- omega + h domega/dt
        loss = 1 - up                                  (after the step)
        lean_t = |phi + omega sqrt(l / g)|
        progress = (lean_{t-1} - lean_t) / h

    n_trials: trials of a life, one after the other.
    trial_steps: steps of a trial.
    step_size: h, in seconds, whatever dt the cells have.
    force: of a full push, in newtons.
    damage: of a part of the lives of all splits. `reversed`: the actuator pushes the wrong way
        round, gain = -1. `turned`: it does so in the second half of the trials. `weak`: its gain is
        `strength`. `long`: the pole is `longer` times as long.
    share: the probability that a life has this damage.
    unseen: the damage of every held-out life, in place of `damage`; `same`: held-out lives are like
        the others.
    strength: the gain of a weak actuator.
    longer: the length of a long pole, in lengths of an intact one.
    up: 1 while the angle phi is within 12 degrees and x is within 2.4 m of the middle, else 0.
    g: 9.8 m/s^2.
    m: the mass of the pole, 0.1 kg.
    M: the mass of pole and cart, 1.1 kg.
    l: half the length of the pole, 0.5 m where it is intact.

    All four numbers of the motion are uniform in [-0.05, 0.05] at the beginning of a trial. The
    input is x / 2.4 m, v / 2 m/s, phi / 12 degrees and omega / 2 rad/s. Once the pole fell it lies
    until the trial is over: the input is 0 and the gate of plasticity is closed. A new trial tells
    `reset`. Modulators: `reward`, which is up, and `progress`. Metric `balanced`: up, whose mean is
    the share of steps that the pole stands.
    The loss is a step of the motion, so the task is not differentiable: search with evolution.
    Splits: disjoint streams of the key.
    Limits: without friction of cart and pole, which the source has.
    Source: Barto, Sutton & Anderson 1983, with a push that is graded; the step is Euler's.

    Raises: BadInput for an actuator that turns in a life of one trial.
    """

    n_trials: Count = 4
    trial_steps: Count = 100
    step_size: Positive = 0.02
    force: Positive = 10.0
    damage: Damage = UNDAMAGED
    share: Probability = 0.5
    unseen: Damage | Literal["same"] = "same"
    strength: Positive = 0.3
    longer: Positive = 3.0

    def __post_init__(self) -> None:
        if "turned" in (self.damage, self.unseen) and self.n_trials < 2:
            raise BadInput(
                f"n_trials={self.n_trials} with an actuator that turns",
                "at least 2, as it turns between two trials",
                "raise n_trials, or take damage=reversed",
            )

    def shape(self) -> TaskShape:
        phases = ((self.n_trials * self.trial_steps, True),)
        offers = frozenset({"reward", "progress", "gate", "reset"})
        return TaskShape({"input": 4}, 1, phases, offers, differentiable=False)

    def sample(self, key: Key, split: Split) -> Plant:
        k_start, k_damage = jax.random.split(jax.random.fold_in(key, SPLITS.index(split)))
        starts = jax.random.uniform(k_start, (self.n_trials, 4), minval=-START, maxval=START)
        if split == "heldout" and self.unseen != "same":
            return self._plant(starts, self.unseen, jnp.ones((), bool))
        return self._plant(starts, self.damage, jax.random.bernoulli(k_damage, self.share))

    def _plant(self, starts: Array, damage: Damage, is_damaged: Array) -> Plant:
        """A life that has this damage where `is_damaged` [] says so."""
        gains = jnp.ones(self.n_trials)
        half_length = jnp.full((), HALF_LENGTH)
        if damage == "reversed":
            gains = -gains
        elif damage == "turned":
            turns = jnp.arange(self.n_trials, dtype=jnp.int32) >= self.n_trials // 2
            gains = jnp.where(turns, -1.0, gains)
        elif damage == "weak":
            gains = self.strength * gains
        elif damage == "long":
            half_length = self.longer * half_length
        return Plant(
            gains=jnp.where(is_damaged, gains, 1.0),
            half_length=jnp.where(is_damaged, half_length, HALF_LENGTH),
            starts=starts,
        )

    def begin(self, task: Plant, key: Key, dt: float) -> Balance:
        return Balance(motion=task.starts[0], up=jnp.ones(()), t=jnp.zeros((), jnp.int32))

    def stimulus(self, task: Plant, state: Balance, key: Key, dt: float) -> dict[str, Array]:
        return {"input": state.up * state.motion / jnp.asarray(SCALES)}

    def step(
        self, task: Plant, state: Balance, output: NeuronView, key: Key, dt: float
    ) -> tuple[Balance, Outcome]:
        trial = state.t // self.trial_steps
        push = self.force * task.gains[trial] * jnp.tanh(output.activity[0])
        moved = state.motion + self.step_size * _velocity(state.motion, push, task.half_length)
        stands = (jnp.abs(moved[0]) <= TRACK) & (jnp.abs(moved[2]) <= LARGEST_ANGLE)
        up = jnp.where(stands, state.up, 0.0)
        t = state.t + 1
        is_over = t % self.trial_steps == 0
        next_trial = jnp.minimum(t // self.trial_steps, self.n_trials - 1)
        score = Score(loss=1.0 - up, weight=jnp.ones(()), metrics={"balanced": up})
        progress = state.up * (_lean(state.motion, task) - _lean(moved, task)) / self.step_size
        signals = feedback(
            1,
            modulators={"reward": up, "progress": progress},
            gate=state.up,
            reset=is_over.astype(up.dtype),
        )
        after = Balance(
            motion=jnp.where(is_over, task.starts[next_trial], jnp.where(up > 0, moved, 0.0)),
            up=jnp.where(is_over, 1.0, up),
            t=t,
        )
        return after, Outcome(feedback=signals, score=score)


def _lean(motion: Array, task: Plant) -> Array:
    """How far [] a pole leans that moves on its own; in radians."""
    return jnp.abs(motion[2] + motion[3] * jnp.sqrt(task.half_length / GRAVITY))


def _velocity(motion: Array, push: Array, half_length: Array) -> Array:
    """d motion / dt [4] under a push [] in newtons."""
    _, v, angle, omega = motion
    mass = CART_MASS + POLE_MASS
    sine = jnp.sin(angle)
    cosine = jnp.cos(angle)
    common = (push + POLE_MASS * half_length * omega**2 * sine) / mass
    inertia = half_length * (4.0 / 3.0 - POLE_MASS * cosine**2 / mass)
    turning = (GRAVITY * sine - common * cosine) / inertia
    speeding = common - POLE_MASS * half_length * turning * cosine / mass
    return jnp.stack([v, speeding, omega, turning])
