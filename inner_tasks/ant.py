"""A four-legged body has to walk, and a leg may be damaged."""

import importlib.util
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, Literal

import jax
import jax.numpy as jnp
from jax import Array

from metaplast.registry import NotInstalled, register
from metaplast.signals import Key, NeuronView, Outcome, Score, TaskShape, feedback, pytree
from metaplast.spec import Count, Probability, spec
from metaplast.tasks import SPLITS, AbstractTaskFamily, Split

N_LEGS = 4
N_MOTORS = 8
N_POSITIONS = 15
N_VELOCITIES = 14
START = 0.1
LOWEST = 0.2
HIGHEST = 1.0
EFFORT = 0.5


@pytree
class Legs:
    """One life.

    gains [8]: what each motor makes of its push; 1 where it is intact.
    positions [15]: by how much the positions at birth are off those of a standing body.
    velocities [14]: at birth.
    """

    gains: Array
    positions: Array
    velocities: Array


@register("task", "ant")
@spec
class Ant(AbstractTaskFamily):
    """Eight outputs push the joints of four legs, and the body should walk in the direction of x.

        push = gains tanh(output)
        reward = v + upright - |push|^2 / 2
        loss = -reward

    n_steps: steps of a life, of 0.05 s each, whatever dt the cells have.
    backend: the physics of brax; `positional` and `spring` are quicker than `generalized`.
    share: the probability that a leg is damaged in a life of training or validation. It is one of
        the first three.
    damage: `limp`: both motors of the leg push nothing. `reversed`: they push the wrong way round.
    v: the velocity of the torso along x in this step, in m/s.
    upright: 1 while the torso is between 0.2 and 1 m high, else 0.
    gains [8]: 1, but 0 or -1 at the two motors of a damaged leg.

    In every held-out life the fourth leg is damaged, which no other life shows. Positions at birth
    are those of a standing body and uniform noise of 0.1, velocities are N(0, 0.1^2). The input is
    the 13 positions without x and y, and the 14 velocities. A body that falls lives on.
    Modulator `reward`. Metric: `speed`, v. It is not differentiable: search with evolution.
    Splits: disjoint streams of the key.
    Limits: the package brax, `pip install "metaplast[body]"`, in 32 bits.
    Source: Schulman et al. 2016, as brax has it; the damage is that of Najarro & Risi 2020.

    Raises: NotInstalled where brax is not installed.
    """

    n_steps: Count = 200
    backend: Literal["generalized", "positional", "spring"] = "positional"
    share: Probability = 0.5
    damage: Literal["limp", "reversed"] = "limp"

    def shape(self) -> TaskShape:
        n_in = N_POSITIONS - 2 + N_VELOCITIES
        phases = ((self.n_steps, True),)
        offers = frozenset({"reward"})
        return TaskShape({"input": n_in}, N_MOTORS, phases, offers, differentiable=False)

    def sample(self, key: Key, split: Split) -> Legs:
        split_key = jax.random.fold_in(key, SPLITS.index(split))
        k_share, k_leg, k_positions, k_velocities = jax.random.split(split_key, 4)
        is_damaged = jax.random.bernoulli(k_share, self.share)
        leg = jax.random.randint(k_leg, (), 0, N_LEGS - 1, jnp.int32)
        if split == "heldout":
            is_damaged = jnp.ones((), bool)
            leg = jnp.full((), N_LEGS - 1, jnp.int32)
        of_leg = jnp.arange(N_MOTORS, dtype=jnp.int32) // (N_MOTORS // N_LEGS) == leg
        gain = 0.0 if self.damage == "limp" else -1.0
        return Legs(
            gains=jnp.where(is_damaged & of_leg, gain, 1.0),
            positions=jax.random.uniform(k_positions, (N_POSITIONS,), minval=-START, maxval=START),
            velocities=START * jax.random.normal(k_velocities, (N_VELOCITIES,)),
        )

    def begin(self, task: Legs, key: Key, dt: float) -> Any:
        """The state of the physics, which is brax's own."""
        body = _body(self.backend)
        with _loose():
            return body.pipeline_init(body.sys.init_q + task.positions, task.velocities)

    def stimulus(self, task: Legs, state: Any, key: Key, dt: float) -> dict[str, Array]:
        return {"input": jnp.concatenate([state.q[2:], state.qd])}

    def step(
        self, task: Legs, state: Any, output: NeuronView, key: Key, dt: float
    ) -> tuple[Any, Outcome]:
        body = _body(self.backend)
        push = task.gains * jnp.tanh(output.activity)
        with _loose():
            after = body.pipeline_step(state, push)
        torso = after.x.pos[0]
        speed = (torso[0] - state.x.pos[0, 0]) / body.dt
        upright = ((torso[2] >= LOWEST) & (torso[2] <= HIGHEST)).astype(speed.dtype)
        reward = speed + upright - EFFORT * jnp.sum(push**2)
        signals = feedback(N_MOTORS, modulators={"reward": reward})
        score = Score(loss=-reward, weight=jnp.ones(()), metrics={"speed": speed})
        return after, Outcome(feedback=signals, score=score)


@contextmanager
def _loose() -> Iterator[None]:
    """Brax adds arrays of other dtypes and ranks, and calls MuJoCo by its older names."""
    with (
        jax.numpy_dtype_promotion("standard"),
        jax.numpy_rank_promotion("allow"),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")
        yield


@lru_cache(maxsize=3)
def _body(backend: str) -> Any:
    """The body in brax, with its physics.

    Raises: NotInstalled where brax is not installed.
    """
    if importlib.util.find_spec("brax") is None:
        raise NotInstalled(
            "task ant",
            "the package brax, which has its body and physics",
            'pip install "metaplast[body]"',
        )
    # The arrays of the body are constants, also where a program is being traced.
    with _loose(), jax.ensure_compile_time_eval():
        from brax import envs  # pyright: ignore[reportMissingImports]

        return envs.get_environment("ant", backend=backend)
