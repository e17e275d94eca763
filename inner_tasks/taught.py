"""Simulated recordings of a layer that learns by a known rule, which a fit has to find."""

from functools import lru_cache
from typing import Annotated, Any, NamedTuple

import jax
import numpy as np

from inner_tasks._simulated import Simulated, recorded
from inner_tasks.teacher_student import OJA, TeacherStudent
from metaplast.likelihoods.base import AbstractLikelihood
from metaplast.likelihoods.gaussian import Gaussian
from metaplast.networks.feedforward import Feedforward
from metaplast.neurons.sigmoid import Sigmoid
from metaplast.recording import AbstractRecording, HeldOut, Recorded, Truth
from metaplast.registry import register
from metaplast.rules.base import AbstractRule
from metaplast.signals import neuron_view
from metaplast.spec import Count, Natural, NonNegative, Probability, nested, plugin, spec
from metaplast.tasks import AbstractTaskFamily
from metaplast.wiring import NeuronField


@register("task", "taught")
@spec
class Taught(AbstractRecording):
    """`n_sessions` sessions of `n_steps` steps of a layer that learns by the `teacher` rule.

    n_in: the number of inputs.
    n_out: the number of units of the layer.
    n_steps: steps of a session.
    n_sessions: the number of sessions.
    neuron: the units of the layer.
    data_seed: of the simulated sessions.
    input_sd: standard deviation of the inputs.
    weight_sd: standard deviation of the weights at birth, which the fit knows.
    teacher: the rule by which units change their synapses, see task teacher_student.
    recorded_share: the share of the units whose activity is recorded.
    noise: standard deviation of the measurement, which the plasticity does not see.

    Each session is a subject of its own. The data depend on data_seed alone.
    Source: Mehta et al. 2024 (their first case).
    """

    n_in: Count = 20
    n_out: Count = 50
    n_steps: Count = 50
    n_sessions: Count = 20
    input_sd: NonNegative = 0.1**0.5
    weight_sd: NonNegative = 0.3
    neuron: NeuronField = Sigmoid()
    teacher: Annotated[AbstractRule, plugin("rule")] = OJA
    noise: NonNegative = 0.0
    recorded_share: Probability = 1.0
    data_seed: Natural = 0
    likelihood: Annotated[AbstractLikelihood, plugin("likelihood")] = Gaussian()
    held: Annotated[HeldOut, nested(HeldOut)] = HeldOut()
    clamp: bool = False

    def recorded(self) -> Recorded:
        return _recorded(self)

    def truth(self) -> Truth:
        return Truth(Feedforward(hidden=(), output=self.neuron), {"*": self.teacher})


@lru_cache(maxsize=8)
def _recorded(task: Taught) -> Recorded:
    """All sessions."""
    lesson = TeacherStudent(
        n_in=task.n_in,
        n_out=task.n_out,
        n_steps=task.n_steps,
        input_sd=task.input_sd,
        weight_sd=task.weight_sd,
        neuron=task.neuron,
        teacher=task.teacher,
    )
    n = task.n_sessions
    n_out = task.n_out
    taught = jax.tree.map(np.asarray, _lessons(lesson, n, task.data_seed))
    rng = np.random.default_rng([task.data_seed, 2])
    shown = np.zeros(n_out, np.float32)
    shown[rng.permutation(n_out)[: max(1, round(task.recorded_share * n_out))]] = 1.0
    noisy = taught.activity + task.noise * rng.normal(size=taught.activity.shape)
    simulated = Simulated(
        stimulus=taught.inputs,
        target=(noisy * shown).astype(np.float32),
        observed=np.broadcast_to(shown, taught.activity.shape),
        weights={"input_to_output": taught.weights},
        final={},
    )
    return recorded(simulated, "session")


class _Lessons(NamedTuple):
    """Lessons, one after the other.

    weights [n, n_out, n_in]: at birth.
    inputs [n, n_steps, n_in].
    activity [n, n_steps, n_out]: of the teacher.
    """

    weights: jax.Array
    inputs: jax.Array
    activity: jax.Array


def _lessons(lesson: AbstractTaskFamily, n: int, seed: int) -> _Lessons:
    """`n` lessons, the same in any precision."""
    dt = 1e-3
    shape = lesson.shape()

    def one(key: jax.Array) -> _Lessons:
        k_task, k_life = jax.random.split(key)
        task = lesson.sample(k_task, "train")
        blank = jax.numpy.zeros(shape.n_out)
        view = neuron_view(blank, blank, blank)

        def step(state: Any, _: None) -> tuple[Any, jax.Array]:
            state, outcome = lesson.step(task, state, view, k_life, dt)
            return state, outcome.feedback.target

        begun = lesson.begin(task, k_life, dt)
        _, activity = jax.lax.scan(step, begun, None, shape.n_steps)
        return _Lessons(task.weights["input_to_output"], task.inputs, activity)

    with jax.ensure_compile_time_eval(), jax.enable_x64(False):
        keys = jax.random.split(jax.random.key(seed), n)
        return jax.jit(lambda keys: jax.lax.map(one, keys))(keys)
