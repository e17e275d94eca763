"""Every objective is a plain sum over the trace of a life."""

import numpy as np
import pytest

from metaplast.objectives.final_loss import FinalLoss
from metaplast.objectives.l1 import L1
from metaplast.registry import find
from metaplast.signals import Score, TaskShape, Trace
from tests.contracts._enrolled import enrolled

SHAPE = TaskShape({"input": 1}, 1, ((5, True), (3, False)), frozenset(), differentiable=True)
LOSS = np.arange(1.0, 9.0, dtype=np.float32) ** 2
WEIGHT = np.asarray([1, 0, 2, 1, 1, 0, 3, 1], np.float32)
TRACE = Trace(score=Score(loss=LOSS, weight=WEIGHT, metrics={"accuracy": LOSS / 100}), recorded={})
THETA = {"rules": {"a": np.asarray([1.0, -2.0], np.float32), "b": {}}, "genome": {"w": np.full(3, 9.0, np.float32)}}

PLAIN = {
    "mean_loss": sum(WEIGHT * LOSS) / sum(WEIGHT),
    "final_loss": sum(WEIGHT[5:] * LOSS[5:]) / sum(WEIGHT[5:]),
    "l1": sum(WEIGHT * LOSS) / sum(WEIGHT) + 1e-7 * 3.0,
}


@pytest.mark.parametrize("name", enrolled("objective"))
def test_an_objective_is_its_plain_sum(name):
    loss = find("objective", name)().loss(THETA, TRACE, SHAPE)
    assert loss.shape == ()
    np.testing.assert_allclose(loss, PLAIN[name], rtol=1e-6)


@pytest.mark.parametrize("name", enrolled("objective"))
def test_a_step_without_weight_counts_for_nothing(name):
    loud = np.where(WEIGHT == 0, 1e6, LOSS).astype(np.float32)
    trace = TRACE.replace(score=TRACE.score.replace(loss=loud))
    np.testing.assert_allclose(find("objective", name)().loss(THETA, trace, SHAPE), PLAIN[name], rtol=1e-6)


@pytest.mark.parametrize("name", enrolled("objective"))
def test_a_life_without_any_weight_has_a_finite_loss(name):
    trace = TRACE.replace(score=TRACE.score.replace(weight=np.zeros(8, np.float32)))
    assert find("objective", name)().loss({"rules": {}}, trace, SHAPE) == 0


def test_the_penalty_is_on_the_rules_alone_and_added_to_any_objective():
    with_penalty = L1(objective=FinalLoss(), strength=10.0).loss(THETA, TRACE, SHAPE)
    np.testing.assert_allclose(with_penalty, PLAIN["final_loss"] + 30.0, rtol=1e-6)
