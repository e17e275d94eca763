"""Fields that are gradients and fields that are none, against closed forms."""

from dataclasses import replace
from typing import Any

import jax
import numpy as np
import pytest

from metaplast.connections.dense import Dense
from metaplast.connections.masked import Masked
from metaplast.feedback.random import Random
from metaplast.feedback.symmetric import Symmetric
from metaplast.inspection.gradient_field import (
    N_POST,
    N_PRE,
    _choose,
    alignment,
    asymmetry,
    gradient_field,
)
from metaplast.inspection.subject import Subject
from metaplast.life.lifetime import Lifetime, Slot
from metaplast.networks.feedforward import Feedforward
from metaplast.objectives.mean_loss import MeanLoss
from metaplast.problem.meta_problem import MetaProblem
from metaplast.results.evaluate import batches
from metaplast.reuse.rule_file import RuleFile
from metaplast.rules.polynomial import Polynomial
from metaplast.spec import decode

N_STEPS = 10
SYMMETRIC = 1e-3
HEBB = Polynomial(terms=("post*pre",), initial=(1.0,), learn="none")
DELTA = Polynomial(terms=("error*pre",), initial=(-1.0,), learn="none")
OJA = Polynomial(terms=("post*pre", "post^2*weight"), initial=(1.0, -1.0), learn="none")


RANDOM = Random()


def subject_of(rule: Any, hidden: tuple[int, ...] = (), feedback: Any = RANDOM) -> Subject:
    task: Any = decode("task", {"name": "teacher_student", "n_in": 4, "n_out": 3, "n_steps": 10})
    network = Feedforward(
        hidden=hidden, neuron=decode("neuron", "tanh"), output=decode("neuron", "linear")
    )
    lifetime = Lifetime(task=task, network=network, feedback=feedback, slots=(Slot(rule=rule),))
    problem = MetaProblem(lifetime, MeanLoss())
    return Subject(problem, problem.init(jax.random.key(3)), 5, "loss", False, RuleFile({}, {}))


def test_the_asymmetry_of_known_matrices() -> None:
    def of(matrix: Any) -> float:
        return asymmetry(np.broadcast_to(np.asarray(matrix, float), (2, 3, 2, 2))).mean

    assert of([[1, 2], [2, 5]]) == 0.0
    assert of([[0, 1], [0, 0]]) == pytest.approx(1.0)
    assert of([[1, 3], [1, 1]]) == pytest.approx(np.sqrt(8 / 40))
    assert np.isnan(of(np.zeros((2, 2))))
    entries = np.random.default_rng(0).normal(size=(4, 1, 30, 30))
    assert asymmetry(entries).mean == pytest.approx(1.0, abs=0.1)


def test_only_synapses_that_exist_are_varied() -> None:
    masked = Masked(n_post=5, n_pre=20, probability=0.4)
    chosen = _choose(masked, np.random.default_rng(0), 3)
    assert masked.support().reshape(-1)[chosen.places].all()
    np.testing.assert_array_equal(chosen.posts, chosen.places // 20)
    dense = _choose(Dense(5, 20), np.random.default_rng(0), 3)
    assert dense.places.shape == (3, N_POST * N_PRE)


@pytest.mark.parametrize("rule", [HEBB, DELTA], ids=["hebb", "delta"])
def test_linear_hebb_and_delta_are_gradients(rule: Any) -> None:
    field = gradient_field(subject_of(rule), n_lives=3)
    assert field.one_neuron["input_to_output"].mean < SYMMETRIC
    assert field.together.mean < SYMMETRIC
    assert field.one_neuron["input_to_output"].high < SYMMETRIC


def test_oja_is_no_gradient_and_its_field_is_the_closed_form() -> None:
    subject = subject_of(OJA)
    field = gradient_field(subject, n_lives=2)
    assert field.n_inputs == N_STEPS
    assert field.n_synapses == {"input_to_output": 12}
    lifetime = replace(subject.problem.lifetime, record=("weights", "activity"))
    batch = batches(subject.problem, subject.seed, "validation", 2)[0]
    odd = 0.0
    even = 0.0
    for life in range(2):
        task = jax.tree.map(lambda leaf, life=life: leaf[life], batch.tasks)
        born = lifetime.begin(subject.theta, task, batch.keys[life])
        _, trace = jax.jit(
            lambda born, task=task: lifetime.advance(subject.theta, task, born, N_STEPS)
        )(born)
        middle = int(np.median(np.arange(N_STEPS)))
        weights = np.asarray(trace.recorded["weights"]["input_to_output"][middle - 1], float)
        inputs = np.asarray(trace.recorded["activity"]["input"], float)
        for w in weights:
            jacobian = np.zeros((4, 4))
            for x in inputs:
                y = w @ x
                jacobian += np.outer(x, x) - 2 * y * np.outer(w, x) - y**2 * np.eye(4)
            odd += np.sum((jacobian - jacobian.T) ** 2)
            even += np.sum((jacobian + jacobian.T) ** 2)
    assert field.one_neuron["input_to_output"].mean == pytest.approx(np.sqrt(odd / even), rel=1e-3)
    assert field.one_neuron["input_to_output"].mean > 0.02


@pytest.mark.system
def test_feedback_alignment_is_no_gradient_and_backpropagation_is_one() -> None:
    random = gradient_field(subject_of(DELTA, (6,), RANDOM), n_lives=3)
    symmetric = gradient_field(subject_of(DELTA, (6,), Symmetric()), n_lives=3)
    assert symmetric.together.mean < SYMMETRIC
    assert random.together.mean > 0.1
    assert random.together.low > 0.05
    # The weights of a single neuron alone do not show it.
    assert random.one_neuron["input_to_hidden_1"].mean < SYMMETRIC


def test_alignment_is_0_degrees_under_symmetric_feedback() -> None:
    exact = alignment(subject_of(DELTA, (6,), Symmetric()), n_lives=4)["hidden_1"]
    assert exact.early.mean == pytest.approx(0.0, abs=0.1)
    assert exact.late.mean == pytest.approx(0.0, abs=0.1)
    random = alignment(subject_of(DELTA, (6,), RANDOM), n_lives=12)["hidden_1"]
    assert 20 < random.early.mean < 160
    assert random.early.n == 12
    assert alignment(subject_of(DELTA), n_lives=4) == {}
