"""A life without a network: its stream of examples, and the scores of answers to it."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from metaplast.objectives.base import last_phase, weighted_mean
from metaplast.signals import Key, Outcome, TaskShape, neuron_view
from metaplast.tasks import AbstractTaskFamily


class Stream(NamedTuple):
    """The signals that one life shows.

    Attributes:
        inputs: all input populations in a row [n_steps, n_in].
        targets: [n_steps, n_out].
        shown: 1 where a step is there to learn from, else 0 [n_steps].
        n_asked: the number of last steps that are judged.
        key: the key of the life, for a method that draws.
    """

    inputs: Array
    targets: Array
    shown: Array
    n_asked: int
    key: Key

    @property
    def examples(self) -> tuple[Array, Array, Array]:
        """(inputs, targets, shown) of the steps before the last phase."""
        return (
            self.inputs[: -self.n_asked],
            self.targets[: -self.n_asked],
            self.shown[: -self.n_asked],
        )

    @property
    def questions(self) -> Array:
        """Inputs [n_asked, n_in] of the last phase."""
        return self.inputs[-self.n_asked :]


def lived(
    family: AbstractTaskFamily,
    task: Any,
    key: Key,
    dt: float,
    act: Callable[[Any, Array], tuple[Any, Array]],
    memory: Any,
) -> tuple[Array, Outcome]:
    """One whole life of an agent.

    The draws of the task are those in the life of a network with the same key (see Lifetime).

    Args:
        family: the family of tasks.
        task: one of its tasks.
        key: the key of the life.
        dt: seconds per step.
        act: the agent: (memory, inputs [n_in]) -> (memory, output [n_out]).
        memory: its memory at birth.

    Returns:
        (Inputs, outcomes), step by step.
    """
    shape = family.shape()
    _, _, k_begin, k_life = jax.random.split(key, 4)
    unseen = jnp.zeros(shape.n_seen - shape.n_out)

    def step(carry: tuple[Any, Any], t: Array) -> tuple[tuple[Any, Any], tuple[Array, Outcome]]:
        state, memory = carry
        k_stimulus, _, k_task, _ = jax.random.split(jax.random.fold_in(k_life, t), 4)
        stimulus = family.stimulus(task, state, k_stimulus, dt)
        inputs = jnp.concatenate([stimulus[name] for name in shape.inputs])
        memory, output = act(memory, inputs)
        activity = jnp.concatenate([unseen, output])
        view = neuron_view(activity, activity, jnp.ones_like(activity))
        state, outcome = family.step(task, state, view, k_task, dt)
        return (state, memory), (inputs, outcome)

    begun = (family.begin(task, k_begin, dt), memory)
    return jax.lax.scan(step, begun, jnp.arange(shape.n_steps, dtype=jnp.int32))[1]


def watched(family: AbstractTaskFamily, task: Any, key: Key, dt: float) -> Stream:
    """The stream of a life whose output is always 0."""
    shape = family.shape()
    silent = jnp.zeros(shape.n_out)
    inputs, outcomes = lived(family, task, key, dt, lambda memory, _: (memory, silent), ())
    plastic = np.concatenate([np.full(length, on) for length, on in shape.phases])
    shown = jnp.asarray(plastic, inputs.dtype) * outcomes.feedback.gate
    return Stream(inputs, outcomes.feedback.target, shown, shape.phases[-1][0], key)


def scored(
    family: AbstractTaskFamily, task: Any, key: Key, dt: float, answers: Array
) -> dict[str, Array]:
    """The scores of `answers` [n_asked, n_out] to the last phase; before it, the output is 0."""
    shape = family.shape()
    n_before = shape.n_steps - answers.shape[0]
    outputs = jnp.concatenate([jnp.zeros((n_before, shape.n_out)), answers])
    _, outcomes = lived(
        family, task, key, dt, lambda t, _: (t + 1, outputs[t]), jnp.zeros((), jnp.int32)
    )
    return scores(shape, outcomes)


def scores(shape: TaskShape, outcomes: Outcome) -> dict[str, Array]:
    """The task's metrics over the last phase, as a trained row has them.

    They have the `loss` of the same steps too where answers are no classes: answers that stand for
    classes are no log-probabilities here.
    """
    n_last = shape.phases[-1][0]
    metrics = last_phase(outcomes.score, n_last)
    if not shape.classes:
        metrics["loss"] = weighted_mean(jax.tree.map(lambda x: x[-n_last:], outcomes.score))
    return metrics
