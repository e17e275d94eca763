"""Simulated recordings of a layer that learns by a known rule: what a fit has to find."""

from functools import lru_cache
from typing import Annotated, Any

import jax
import numpy as np

from inner_tasks.teacher_student import OJA, TeacherStudent
from metaplast.likelihoods.base import AbstractLikelihood
from metaplast.likelihoods.gaussian import Gaussian
from metaplast.networks.feedforward import Feedforward
from metaplast.neurons.sigmoid import Sigmoid
from metaplast.recording import AbstractRecording, HeldOut, Recorded, Session, Truth
from metaplast.registry import register
from metaplast.rules.base import AbstractRule
from metaplast.signals import neuron_view
from metaplast.spec import Count, Natural, NonNegative, Probability, nested, plugin, spec
from metaplast.tasks import AbstractTaskFamily
from metaplast.wiring import NeuronField


@register("task", "taught")
@spec
class Taught(AbstractRecording):
    """`n_sessions` sessions of `n_steps` steps: inputs N(0, input_sd^2), weights N(0, weight_sd^2)
    at birth (known to the fit), units that change their synapses by the `teacher` rule (see task
    teacher_student).

    What is recorded: the activity of the share `recorded` of the units, plus noise N(0, noise^2) of
    the measurement, which the plasticity does not see. Each session is a subject of its own. Mehta
    et al. 2024 (their first case). The data depend on data_seed alone.
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
    lesson = TeacherStudent(
        n_in=task.n_in,
        n_out=task.n_out,
        n_steps=task.n_steps,
        input_sd=task.input_sd,
        weight_sd=task.weight_sd,
        neuron=task.neuron,
        teacher=task.teacher,
    )
    n, n_steps, n_out = task.n_sessions, task.n_steps, task.n_out
    weights, inputs, activity = jax.tree.map(np.asarray, _lessons(lesson, n, task.data_seed))
    rng = np.random.default_rng([task.data_seed, 2])
    shown = np.zeros(n_out, np.float32)
    shown[rng.permutation(n_out)[: max(1, round(task.recorded_share * n_out))]] = 1.0
    noisy = activity + task.noise * rng.normal(size=activity.shape)
    zeros = np.zeros((n, n_steps), np.float32)
    fields: dict[str, Any] = {
        "stimulus": inputs,
        "target": (noisy * shown).astype(np.float32),
        "observed": np.broadcast_to(shown, activity.shape),
        "gate": zeros + 1.0,
        "reset": zeros,
        "modulators": {},
        "weights": {"input_to_output": weights},
        "final": {},
        "subject": np.arange(n, dtype=np.int32),
        "share": np.ones(n, np.float32),
    }
    trial = np.broadcast_to(np.arange(n_steps), (n, n_steps))
    return Recorded(Session(**fields), trial, np.arange(n), tuple(f"session {i}" for i in range(n)))


def _lessons(
    lesson: AbstractTaskFamily, n: int, seed: int
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """(first weights, inputs, the teacher's activity) of `n` lessons."""

    def one(key: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
        k_task, k_life = jax.random.split(key)
        task = lesson.sample(k_task, "train")
        blank = jax.numpy.zeros(lesson.shape().n_out)
        view = neuron_view(blank, blank, blank)
        step = lambda state, _: (lambda s, o: (s, o.feedback.target))(
            *lesson.step(task, state, view, k_life, 1e-3)
        )
        _, activity = jax.lax.scan(
            step, lesson.begin(task, k_life, 1e-3), None, lesson.shape().n_steps
        )
        return task.weights["input_to_output"], task.inputs, activity

    with jax.ensure_compile_time_eval(), jax.enable_x64(False):  # the same data in any precision
        return jax.jit(lambda keys: jax.lax.map(one, keys))(
            jax.random.split(jax.random.key(seed), n)
        )
