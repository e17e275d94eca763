"""Tasks whose target is a stimulus too, for networks that a teacher nudges while they run."""

from dataclasses import replace
from typing import Annotated, Any

import jax.numpy as jnp
import numpy as np
from jax import Array

from inner_tasks.regression import Regression
from metaplast.networks.microcircuit import TARGET, TAUGHT
from metaplast.registry import BadInput, name_of, register
from metaplast.signals import Key, NeuronView, Outcome, TaskShape, neuron_view, pytree
from metaplast.spec import plugin, spec
from metaplast.tasks import AbstractTaskFamily, Split


@pytree
class Shown:
    """The state of a life.

    inner: the state of the inner task.
    t []: steps gone by.
    """

    inner: Any
    t: Array


@register("task", "shown_target")
@spec
class ShownTarget(AbstractTaskFamily):
    """A task that shows its target as a stimulus in every step of its plastic phases.

        target = s y
        taught = s

    target [n_out], taught [1]: two input populations beside those of the inner task.
    y [n_out]: the target of the inner task in this step.
    s: 1 in a plastic phase, else 0.
    task: the inner task. Its target must not depend on the output, nor on chance in the step.

    All else is the inner task. The loss of a plastic step is that of the nudged output, so what
    was learned shows in the other phases alone. Network `microcircuit` has a place for the two
    populations; any other network takes them as further inputs.

    Raises: BadInput for an inner task that has no target, or has inputs of these names.

    Source: this library.
    """

    task: Annotated[AbstractTaskFamily, plugin("task")] = Regression()

    def __post_init__(self) -> None:
        shape = self.task.shape()
        inner = name_of(type(self.task))
        if "target" not in shape.offers:
            what = f"task shown_target: inner task {inner}"
            raise BadInput(what, "a task that offers target", "take one such as regression")
        if {TARGET, TAUGHT} & set(shape.inputs):
            what = f"task shown_target: inner task {inner} has inputs {', '.join(shape.inputs)}"
            raise BadInput(what, f"others than {TARGET} and {TAUGHT}", "take another inner task")

    def shape(self) -> TaskShape:
        shape = self.task.shape()
        return shape._replace(inputs={**shape.inputs, TARGET: shape.n_out, TAUGHT: 1})

    def chance(self) -> float | None:
        return self.task.chance()

    def files(self) -> dict[str, str]:
        return self.task.files()

    def halved(self) -> "ShownTarget | None":
        half = self.task.halved()
        return None if half is None else replace(self, task=half)

    def whole(self, split: Split) -> Any:
        return self.task.whole(split)

    def sample(self, key: Key, split: Split) -> Any:
        return self.task.sample(key, split)

    def begin(self, task: Any, key: Key, dt: float) -> Shown:
        return Shown(inner=self.task.begin(task, key, dt), t=jnp.zeros((), jnp.int32))

    def stimulus(self, task: Any, state: Shown, key: Key, dt: float) -> dict[str, Array]:
        silent = jnp.zeros(self.shape().n_seen)
        view = neuron_view(silent, silent, silent)
        target = self.task.step(task, state.inner, view, key, dt)[1].feedback.target
        lengths, plastic = zip(*self.shape().phases, strict=True)
        shown = jnp.asarray(np.repeat(plastic, lengths), target.dtype)[state.t]
        inputs = self.task.stimulus(task, state.inner, key, dt)
        return {**inputs, TARGET: shown * target, TAUGHT: shown[None]}

    def step(
        self, task: Any, state: Shown, output: NeuronView, key: Key, dt: float
    ) -> tuple[Shown, Outcome]:
        inner, outcome = self.task.step(task, state.inner, output, key, dt)
        return Shown(inner=inner, t=state.t + 1), outcome
