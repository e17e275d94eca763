"""Trials of another task: a first one tells what the outputs stand for, and later ones ask."""

import math
from dataclasses import replace
from itertools import permutations
from typing import Annotated, Any

import jax
import jax.numpy as jnp
from jax import Array

from inner_tasks.store_recall import StoreRecall
from metaplast.registry import BadInput, name_of, register
from metaplast.signals import Key, NeuronView, Outcome, TaskShape, pytree
from metaplast.spec import Count, plugin, spec
from metaplast.tasks import SPLITS, AbstractTaskFamily, Split


@pytree
class Lesson:
    """One life.

    trials: the task of every trial, stacked.
    order [n_out]: the output of the network that stands for each output of the task.
    """

    trials: Any
    order: Array


@pytree
class Lived:
    """The state of a life: the number t [] of steps gone by, and the state of the present trial."""

    t: Array
    trial: Any


@register("task", "one_shot")
@spec
class OneShot(AbstractTaskFamily):
    """`shown` trials of another task with plasticity on, then `asked` other ones with it off.

        y'_k = y_order_k

    task: the task of a trial: `store_recall`, `cue_accumulation`, or another one that tells a
        target in steps that are all plastic.
    shown: trials that are shown: one is the one shot.
    asked: trials that are judged.
    order: a permutation of the outputs, drawn in every life.
    y: the output of the network.
    y': the output that the trial sees. Its error and its target go the same way back.

    The trials of a life differ in what is drawn (symbols, cues, delays). They share the order: in
    one life output 0 means symbol 0, in another symbol 1. Fixed weights cannot know it. With two
    outputs their mean cross-entropy over both orders is at least ln 2. Plasticity has to take it
    from the target of the shown trials. Shown trials have weight 0. A new trial begins at rest.
    Metrics are those of the task.
    Splits: those of the task; the orders are drawn from disjoint streams of the key.
    Source: this library.

    Raises: BadInput for a task that tells no target, has phases without plasticity, brings weights
    of its own, or watches populations.
    """

    task: Annotated[AbstractTaskFamily, plugin("task")] = StoreRecall(
        n_symbols=3, symbol_steps=50, delay=2
    )
    shown: Count = 1
    asked: Count = 2

    def __post_init__(self) -> None:
        shape = self.task.shape()
        tells = "target" in shape.offers and all(plastic for _, plastic in shape.phases)
        brings = shape.offers & {"weights", "final_weights", "subject", "reset"} or shape.watched
        if not tells or brings:
            raise BadInput(
                f"one_shot: task {name_of(type(self.task))!r}",
                "one that tells a target in plastic steps alone, and brings nothing but inputs",
                "take store_recall or cue_accumulation",
            )

    @property
    def _n_steps(self) -> int:
        """Steps of a trial."""
        return self.task.shape().n_steps

    def shape(self) -> TaskShape:
        inner = self.task.shape()
        phases = ((self.shown * self._n_steps, True), (self.asked * self._n_steps, False))
        return inner._replace(phases=phases, offers=inner.offers | {"reset"})

    def files(self) -> dict[str, str]:
        return self.task.files()

    def halved(self) -> "OneShot | None":
        half = self.task.halved()
        return replace(self, task=half) if half else None

    def n_kinds(self, split: Split) -> int:
        return math.factorial(self.task.shape().n_out)

    def sample_kind(self, key: Key, split: Split, kind: Array) -> Lesson:
        orders = list(permutations(range(self.task.shape().n_out)))
        return replace(self.sample(key, split), order=jnp.asarray(orders, jnp.int32)[kind])

    def sample(self, key: Key, split: Split) -> Lesson:
        k_trials, k_order = jax.random.split(key)
        n = self.task.shape().n_out
        k_order = jax.random.fold_in(k_order, SPLITS.index(split))
        trial_keys = jax.random.split(k_trials, self.shown + self.asked)
        return Lesson(
            trials=jax.vmap(lambda one: self.task.sample(one, split))(trial_keys),
            order=jax.random.permutation(k_order, jnp.arange(n, dtype=jnp.int32)),
        )

    def _trial(self, task: Lesson, t: Array) -> Any:
        """The task of the trial in which step t [] lies."""
        index = jnp.minimum(t // self._n_steps, self.shown + self.asked - 1)
        return jax.tree.map(lambda leaf: leaf[index], task.trials)

    def begin(self, task: Lesson, key: Key, dt: float) -> Lived:
        t = jnp.zeros((), jnp.int32)
        return Lived(t=t, trial=self.task.begin(self._trial(task, t), key, dt))

    def stimulus(self, task: Lesson, state: Lived, key: Key, dt: float) -> dict[str, Array]:
        return self.task.stimulus(self._trial(task, state.t), state.trial, key, dt)

    def step(
        self, task: Lesson, state: Lived, output: NeuronView, key: Key, dt: float
    ) -> tuple[Lived, Outcome]:
        k_step, k_begin = jax.random.split(key)
        seen = jax.tree.map(lambda leaf: leaf[task.order], output)
        trial, outcome = self.task.step(self._trial(task, state.t), state.trial, seen, k_step, dt)
        t = state.t + 1
        ends = t % self._n_steps == 0
        begun = self.task.begin(self._trial(task, t), k_begin, dt)
        trial = jax.tree.map(lambda new, old: jnp.where(ends, new, old), begun, trial)
        weight = outcome.score.weight
        is_asked = (state.t >= self.shown * self._n_steps).astype(weight.dtype)
        answer = replace(
            outcome.feedback,
            error=_back(outcome.feedback.error, task.order),
            target=_back(outcome.feedback.target, task.order),
            reset=ends.astype(weight.dtype),
        )
        score = replace(outcome.score, weight=is_asked * weight)
        return Lived(t=t, trial=trial), Outcome(feedback=answer, score=score)


def _back(signal: Array, order: Array) -> Array:
    """A signal of the task's outputs at the network's outputs [n_out]."""
    return jnp.zeros_like(signal).at[order].set(signal)
