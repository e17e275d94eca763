"""A student rule has to reproduce the activity of a layer that learns by a teacher rule."""

from dataclasses import replace
from typing import Annotated

import jax
import jax.numpy as jnp
from jax import Array

from metaplast.connections.dense import Dense
from metaplast.locality.reads import blank_view
from metaplast.neurons.tanh import Tanh
from metaplast.registry import register
from metaplast.rules.base import AbstractRule
from metaplast.rules.polynomial import Polynomial
from metaplast.signals import (
    Key,
    NeuronView,
    Outcome,
    RuleState,
    Score,
    TaskShape,
    feedback,
    pytree,
)
from metaplast.spec import Count, Natural, NonNegative, Probability, plugin, spec
from metaplast.tasks import SPLITS, AbstractTaskFamily, Split
from metaplast.wiring import NeuronField

OJA = Polynomial(terms=("post*pre", "post^2*weight"), initial=(1.0, -1.0), rate=0.1, learn="none")


@pytree
class Lesson:
    """One life.

    weights {input_to_output: [n_out, n_in]}: the first weights of the teacher. Genome `given` hands
        them to the student.
    inputs [n_steps + n_test, n_in]: the stimuli.
    """

    weights: dict[str, Array]
    inputs: Array


@pytree
class Teacher:
    """The teacher in a life.

    weight [n_out, n_in]: its weights.
    neuron: the state of its neurons.
    rule: the state of its rule.
    gap [n_out]: the filtered difference of student and teacher.
    t []: steps gone by.
    """

    weight: Array
    neuron: dict[str, Array]
    rule: RuleState
    gap: Array
    t: Array


@register("task", "teacher_student")
@spec
class TeacherStudent(AbstractTaskFamily):
    """A student has to follow one layer of `n_out` units that learns by the `teacher` rule.

        loss = mean_j gap_j^2
        gap <- exp(-dt / tau) gap + student - teacher
        x ~ N(0, input_sd^2), or spikes

    n_in: the number of inputs.
    n_out: units of teacher and student.
    n_steps: steps in which both learn.
    input_sd: standard deviation of the inputs.
    spike_probability: of an input in a step, where inputs are spikes (0/1); 0: they are N(0, .).
    tau: time constant of the gap, in seconds; 0: gap = student - teacher.
    neuron: the units of the teacher.
    teacher: the rule of the teacher.
    x [n_in]: the input of a step, to both.
    weight_sd: the weights at birth are N(0, weight_sd^2), and come with the task.
    n_test: steps after the `n_steps`, in which the teacher goes on and the student stays as it is.

    Between spike trains, dt / tau times the sum of gap_j^2 over the steps is the squared distance
    of van Rossum 2001. The error is the slope of the loss in the student's output of the same step.
    Known answer of the default: delta_w = 0.1 (post pre - post^2 weight).
    Source: this library.
    """

    n_in: Count = 12
    n_out: Count = 4
    n_steps: Count = 40
    n_test: Natural = 0
    input_sd: NonNegative = 0.5
    weight_sd: NonNegative = 0.2
    neuron: NeuronField = Tanh()
    teacher: Annotated[AbstractRule, plugin("rule")] = OJA
    spike_probability: Probability = 0.0
    tau: NonNegative = 0.0

    def shape(self) -> TaskShape:
        offers = frozenset({"error", "target", "weights"})
        phases = ((self.n_steps, True),)
        if self.n_test:
            phases = (*phases, (self.n_test, False))
        return TaskShape({"input": self.n_in}, self.n_out, phases, offers, differentiable=True)

    def sample(self, key: Key, split: Split) -> Lesson:
        k_w, k_x = jax.random.split(jax.random.fold_in(key, SPLITS.index(split)))
        weight = self.weight_sd * jax.random.normal(k_w, (self.n_out, self.n_in))
        shape = (self.n_steps + self.n_test, self.n_in)
        if self.spike_probability:
            inputs = jax.random.bernoulli(k_x, self.spike_probability, shape).astype(float)
        else:
            inputs = self.input_sd * jax.random.normal(k_x, shape)
        return Lesson(weights={"input_to_output": weight}, inputs=inputs)

    def begin(self, task: Lesson, key: Key, dt: float) -> Teacher:
        connection = Dense(self.n_out, self.n_in)
        theta = self.teacher.init(key, connection)
        return Teacher(
            weight=task.weights["input_to_output"],
            neuron=self.neuron.init_state(self.neuron.init(key, self.n_out), self.n_out),
            rule=self.teacher.init_state(theta, connection),
            gap=jnp.zeros(self.n_out),
            t=jnp.zeros((), jnp.int32),
        )

    def stimulus(self, task: Lesson, state: Teacher, key: Key, dt: float) -> dict[str, Array]:
        return {"input": task.inputs[state.t]}

    def step(
        self, task: Lesson, state: Teacher, output: NeuronView, key: Key, dt: float
    ) -> tuple[Teacher, Outcome]:
        connection = Dense(self.n_out, self.n_in)
        x = task.inputs[state.t]
        drive = {"soma": connection.propagate(state.weight, x)}
        neuron, post = self.neuron.step({}, state.neuron, drive, dt, key)
        blank = blank_view(connection, ())
        pre = replace(blank.pre, activity=x)
        view = replace(blank, pre=pre, post=post, weight=state.weight, key=key)
        theta = self.teacher.init(key, connection)
        rule, delta = self.teacher.step(theta, state.rule, connection, view, dt)
        gap = output.activity - post.activity
        if self.tau:
            gap = jnp.exp(-dt / self.tau) * state.gap + gap
        score = Score(loss=jnp.mean(gap**2), weight=jnp.ones(()), metrics={})
        weight = state.weight + delta
        new = Teacher(weight=weight, neuron=neuron, rule=rule, gap=gap, t=state.t + 1)
        signals = feedback(self.n_out, error=2 * gap / self.n_out, target=post.activity)
        return new, Outcome(feedback=signals, score=score)
