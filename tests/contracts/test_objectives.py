"""Every objective is a plain sum over the trace of a life, or over the synapses it ended with."""

from types import SimpleNamespace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from metaplast.objectives.base import Lived
from metaplast.objectives.final_loss import FinalLoss
from metaplast.objectives.final_weights import FinalWeights
from metaplast.objectives.l1 import L1
from metaplast.objectives.mean_loss import MeanLoss
from metaplast.registry import BadInput, find
from metaplast.signals import Score, Synapses, TaskShape, Trace
from tests.contracts._enrolled import enrolled

SHAPE = TaskShape({"input": 1}, 1, ((5, True), (3, False)), frozenset(), differentiable=True)
LOSS = np.arange(1.0, 9.0, dtype=np.float32) ** 2
WEIGHT = np.asarray([1, 0, 2, 1, 1, 0, 3, 1], np.float32)
TRACE = Trace(score=Score(loss=LOSS, weight=WEIGHT, metrics={"accuracy": LOSS / 100}), recorded={})
THETA = {"rules": {"a": np.asarray([1.0, -2.0], np.float32), "b": {}}, "genome": {"w": np.full(3, 9.0, np.float32)}}
RNG = np.random.default_rng(0)
ENDED = {name: RNG.normal(size=(2, 3)).astype(np.float32) for name in ("a_to_b", "b_to_c", "c_to_c")}
MEASURED = {name: RNG.normal(size=(2, 3)).astype(np.float32) for name in ("a_to_b", "b_to_c")}  # nothing of c_to_c
MEASURED["a_to_b"][0, 1:] = np.nan
LIVED = Lived(
    task=SimpleNamespace(final=MEASURED),
    trace=TRACE,
    synapses={name: Synapses(weight=w, mask=np.ones((), np.float32)) for name, w in ENDED.items()},
    shape=SHAPE,
)


def _distance() -> float:
    off = [(ENDED[name] - w)[np.isfinite(w)] for name, w in MEASURED.items()]
    return float(np.mean(np.concatenate(off) ** 2) / 2)


PLAIN = {
    "mean_loss": sum(WEIGHT * LOSS) / sum(WEIGHT),
    "final_loss": sum(WEIGHT[5:] * LOSS[5:]) / sum(WEIGHT[5:]),
    "final_weights": _distance(),
    "l1": sum(WEIGHT * LOSS) / sum(WEIGHT) + 1e-7 * 3.0,
}


def _scored(**given: np.ndarray) -> Lived:
    return LIVED._replace(trace=TRACE.replace(score=TRACE.score.replace(**given)))


@pytest.mark.parametrize("name", enrolled("objective"))
def test_an_objective_is_its_plain_sum(name):
    loss = find("objective", name)().loss(THETA, LIVED)
    assert loss.shape == ()
    np.testing.assert_allclose(loss, PLAIN[name], rtol=1e-6)


@pytest.mark.parametrize("name", enrolled("objective"))
def test_a_step_without_weight_counts_for_nothing(name):
    lived = _scored(loss=np.where(WEIGHT == 0, 1e6, LOSS).astype(np.float32))
    np.testing.assert_allclose(find("objective", name)().loss(THETA, lived), PLAIN[name], rtol=1e-6)


@pytest.mark.parametrize("name", enrolled("objective"))
def test_a_life_without_any_weight_or_measurement_has_a_finite_loss(name):
    blank = {edge: np.full_like(w, np.nan) for edge, w in MEASURED.items()}
    for final in (blank, {}):
        lived = _scored(weight=np.zeros(8, np.float32))._replace(task=SimpleNamespace(final=final))
        assert find("objective", name)().loss({"rules": {}}, lived) == 0


def test_the_penalty_is_on_the_rules_alone_and_added_to_any_objective():
    for name in ("final_loss", "final_weights"):
        penalised = L1(objective=find("objective", name)(), strength=10.0)
        np.testing.assert_allclose(penalised.loss(THETA, LIVED), PLAIN[name] + 30.0, rtol=1e-6)
        assert penalised.needs == find("objective", name)().needs
    assert FinalLoss().needs == frozenset()
    assert FinalWeights().needs == {"final_weights"}


def _windows(objective: Any, weight: np.ndarray, size: int) -> float:
    score = TRACE.score.replace(weight=weight)
    starts = range(0, SHAPE.n_steps, size)
    pieces = [jax.tree.map(lambda x, t=t: x[t : t + size], score) for t in starts]
    parts = [objective.window(THETA, p, SHAPE, jnp.asarray(t)) for p, t in zip(pieces, starts, strict=True)]
    assert all(part.shape == () for part in parts)
    return float(sum(parts))


@pytest.mark.parametrize("name", [name for name in enrolled("objective") if name != "final_weights"])
@pytest.mark.parametrize("size", [8, 4, 2, 1])
def test_the_windows_of_a_life_add_up_to_its_loss(name, size):
    objective = find("objective", name)()
    ones = np.ones(8, np.float32)
    np.testing.assert_allclose(_windows(objective, ones, size), objective.loss(THETA, _scored(weight=ones)), rtol=1e-6)


@pytest.mark.parametrize("objective", [MeanLoss(), FinalLoss()])
def test_windows_count_weighted_steps_over_all_that_may_count(objective):
    n = 8 if objective == MeanLoss() else 3
    np.testing.assert_allclose(_windows(objective, WEIGHT, 2), sum(WEIGHT[-n:] * LOSS[-n:]) / n, rtol=1e-6)


@pytest.mark.parametrize("objective", [FinalWeights(), L1(objective=FinalWeights())])
def test_what_only_the_end_of_a_life_tells_has_no_windows(objective):
    with pytest.raises(BadInput, match=r"final_weights: not a sum over steps.* - use outer=bptt, forward or es"):
        _windows(objective, WEIGHT, 4)


def test_final_weights_pull_at_the_measured_synapses_alone():
    """gradient = (w - w_measured) / (sd^2 n_measured), 0 and not NaN where nothing was measured."""

    def loss(weights: dict[str, np.ndarray]) -> jax.Array:
        synapses = {name: Synapses(weight=w, mask=np.ones((), np.float32)) for name, w in weights.items()}
        return FinalWeights(sd=0.5).loss(THETA, LIVED._replace(synapses=synapses))

    np.testing.assert_allclose(loss(ENDED), PLAIN["final_weights"] / 0.25, rtol=1e-6)
    found = jax.grad(loss)(ENDED)
    for name, w in ENDED.items():
        pull = np.nan_to_num((w - MEASURED[name]) / 0.25 / 10) if name in MEASURED else np.zeros_like(w)
        np.testing.assert_allclose(found[name], pull, rtol=1e-5, atol=1e-7)
