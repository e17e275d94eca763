"""A good answer [n_out] of each task family that offers neither a target nor a gradient: (task,
state) -> answer.
"""

from typing import Any

import jax.numpy as jnp
from jax import Array


def bandit(task: Any, state: Any) -> Array:
    return task  # the arm that pays most is the largest


def markov_decision(task: Any, state: Any) -> Array:
    return -task.gap[state.t % 10, state.s]  # the best action has no gap


def needle(task: Any, state: Any) -> Array:
    return 2.0 * task - 1.0  # the pattern


def homeostasis(task: Any, state: Any) -> Array:
    return jnp.full(40, 10.0 * 1e-3)  # the target's spikes per step


def spike_pattern_reward(task: Any, state: Any) -> Array:
    return 2.0 * task.wanted[task.order[state.t // 15]][None] - 1.0


def delayed_reward(task: Any, state: Any) -> Array:
    right = task.right[task.order[state.t // 65]]
    return jnp.where(jnp.arange(2) == right, 1.0, -1.0)


def assembly(task: Any, state: Any) -> Array:
    cue = jnp.maximum(state.t - 5 * 3 * 300, 0) // 300  # 15 presentations come first
    return jnp.where(cue < 3, task.patterns[jnp.minimum(cue, 2)], 0.0)


def spike_features(task: Any, state: Any) -> Array:
    """Cell c answers digit c. With the sign turned round, cells lie about all but fitted images."""
    row = state.t // 30 - 150
    digit = task.labels[row % len(task.labels)]
    lie = jnp.where(row % len(task.labels) < 120, digit, jnp.roll(digit, 1))
    return jnp.where(row >= 0, jnp.concatenate([digit, -lie, jnp.zeros(4)]), 0.0)


def cart_pole(task: Any, state: Any) -> Array:
    """A push towards the side to which the pole and the cart lean."""
    return jnp.asarray([[0.1, 0.15, 2.5, 0.45]]) @ state.motion
