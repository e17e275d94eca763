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
from metaplast.registry import BadInput, find, name_of
from metaplast.signals import Score, Synapses, TaskShape, Trace
from tests.contracts._enrolled import enrolled, programs

SHAPE = TaskShape({"input": 1}, 1, ((5, True), (3, False)), frozenset(), differentiable=True)
LOSS = np.arange(1.0, 9.0, dtype=np.float32) ** 2
WEIGHT = np.asarray([1, 0, 2, 1, 1, 0, 3, 1], np.float32)
TRACE = Trace(score=Score(loss=LOSS, weight=WEIGHT, metrics={"accuracy": LOSS / 100}), recorded={})
THETA = {
    "rules": {"a": np.asarray([1.0, -2.0], np.float32), "b": {}},
    "genome": {"w": np.full(3, 9.0, np.float32)},
}
RNG = np.random.default_rng(0)
ENDED = {
    name: RNG.normal(size=(2, 3)).astype(np.float32) for name in ("a_to_b", "b_to_c", "c_to_c")
}
# nothing of c_to_c
MEASURED = {name: RNG.normal(size=(2, 3)).astype(np.float32) for name in ("a_to_b", "b_to_c")}
MEASURED["a_to_b"][0, 1:] = np.nan
LIVED = Lived(
    task=SimpleNamespace(final=MEASURED),
    trace=TRACE,
    synapses={name: Synapses(weight=w, mask=np.ones((), np.float32)) for name, w in ENDED.items()},
    shape=SHAPE,
)


PROGRAMS = programs("objectives")


def _scored(**fields: np.ndarray) -> Lived:
    return LIVED._replace(trace=TRACE.replace(score=TRACE.score.replace(**fields)))


def _plain(objective: Any, theta: Any, lived: Lived) -> float | None:
    """The loss by the plain program of an objective; None where there is none."""
    program = PROGRAMS.get(name_of(type(objective)))
    return program(objective, theta, lived) if program else None


@pytest.mark.parametrize("name", enrolled("objective"))
def test_an_objective_is_a_number_and_its_plain_sum(name):
    objective = find("objective", name)()
    loss = objective.loss(THETA, LIVED)
    expected = _plain(objective, THETA, LIVED)
    assert loss.shape == ()
    assert np.isfinite(loss)
    if expected is not None:
        np.testing.assert_allclose(loss, expected, rtol=1e-6)


@pytest.mark.parametrize("name", enrolled("objective"))
def test_a_step_without_weight_counts_for_nothing(name):
    objective = find("objective", name)()
    lived = _scored(loss=np.where(WEIGHT == 0, 1e6, LOSS).astype(np.float32))
    np.testing.assert_allclose(
        objective.loss(THETA, lived), objective.loss(THETA, LIVED), rtol=1e-6
    )


@pytest.mark.parametrize("name", enrolled("objective"))
def test_an_objective_looks_at_what_was_lived(name):
    objective = find("objective", name)()
    others = _scored(loss=LOSS + 1.0)._replace(
        synapses=jax.tree.map(lambda w: w + 1.0, LIVED.synapses)
    )
    assert objective.loss(THETA, others) != objective.loss(THETA, LIVED)


@pytest.mark.parametrize("name", enrolled("objective"))
def test_a_life_without_any_weight_or_measurement_has_a_finite_loss_and_slope(name):
    objective = find("objective", name)()
    theta = {"rules": {}}
    blank = {edge: np.full_like(w, np.nan) for edge, w in MEASURED.items()}
    for final in (blank, {}):
        lived = _scored(weight=np.zeros(8, np.float32))._replace(task=SimpleNamespace(final=final))
        loss = objective.loss(theta, lived)
        expected = _plain(objective, theta, lived)
        assert np.isfinite(loss)
        assert expected is None or loss == expected == 0.0
        slope = jax.grad(
            lambda synapses, lived=lived: objective.loss(theta, lived._replace(synapses=synapses))
        )
        for leaf in jax.tree.leaves(slope(LIVED.synapses)):
            assert np.isfinite(leaf).all()


def test_the_penalty_is_on_the_rules_alone_and_added_to_any_objective():
    for name in ("final_loss", "final_weights"):
        objective = find("objective", name)()
        penalised = L1(objective=objective, strength=10.0)
        plain = _plain(objective, THETA, LIVED)
        assert plain is not None
        np.testing.assert_allclose(penalised.loss(THETA, LIVED), plain + 30.0, rtol=1e-6)
        assert penalised.needs == objective.needs
    assert FinalLoss().needs == frozenset()
    assert FinalWeights().needs == {"final_weights"}


def _windows(objective: Any, weight: np.ndarray, size: int) -> float:
    score = TRACE.score.replace(weight=weight)
    starts = range(0, SHAPE.n_steps, size)
    pieces = [jax.tree.map(lambda x, t=t: x[t : t + size], score) for t in starts]
    parts = [
        objective.window(THETA, p, SHAPE, jnp.asarray(t))
        for p, t in zip(pieces, starts, strict=True)
    ]
    assert all(part.shape == () for part in parts)
    return float(sum(parts))


@pytest.mark.parametrize("name", enrolled("objective"))
@pytest.mark.parametrize("size", [8, 4, 2, 1])
def test_the_windows_of_a_life_add_up_to_its_loss_or_are_refused(name, size):
    objective = find("objective", name)()
    ones = np.ones(8, np.float32)
    try:
        whole = _windows(objective, ones, size)
    except BadInput:
        assert name not in ("mean_loss", "final_loss", "l1")
        return
    np.testing.assert_allclose(whole, objective.loss(THETA, _scored(weight=ones)), rtol=1e-6)


@pytest.mark.parametrize("size", [8, 2])
def test_the_penalty_of_a_window_is_its_share_of_that_of_the_life(size):
    ones = np.ones(8, np.float32)
    inner = MeanLoss()
    of_windows = _windows(L1(objective=inner, strength=10.0), ones, size) - _windows(
        inner, ones, size
    )
    np.testing.assert_allclose(of_windows, 30.0, rtol=1e-5)


@pytest.mark.parametrize("objective", [MeanLoss(), FinalLoss()])
def test_windows_count_weighted_steps_over_all_that_may_count(objective):
    n = 8 if objective == MeanLoss() else 3
    np.testing.assert_allclose(
        _windows(objective, WEIGHT, 2), sum(WEIGHT[-n:] * LOSS[-n:]) / n, rtol=1e-6
    )


@pytest.mark.parametrize("objective", [FinalWeights(), L1(objective=FinalWeights())])
def test_what_only_the_end_of_a_life_tells_has_no_windows(objective):
    with pytest.raises(
        BadInput, match=r"final_weights: not a sum over steps.* - use outer=bptt, forward or es"
    ):
        _windows(objective, WEIGHT, 4)


def test_final_weights_pull_at_the_measured_synapses_alone():
    """gradient = (w - w_measured) / (sd^2 n_measured), 0 and not NaN where nothing was measured."""

    def loss(weights: dict[str, np.ndarray]) -> jax.Array:
        synapses = {
            name: Synapses(weight=w, mask=np.ones((), np.float32)) for name, w in weights.items()
        }
        return FinalWeights(sd=0.5).loss(THETA, LIVED._replace(synapses=synapses))

    expected = _plain(FinalWeights(), THETA, LIVED)
    assert expected is not None
    np.testing.assert_allclose(loss(ENDED), 4.0 * expected, rtol=1e-6)
    gradient = jax.grad(loss)(ENDED)
    for name, w in ENDED.items():
        pull = np.zeros_like(w)
        if name in MEASURED:
            pull = np.nan_to_num((w - MEASURED[name]) / 0.25 / 10)
        np.testing.assert_allclose(gradient[name], pull, rtol=1e-5, atol=1e-7)


def test_the_direction_of_final_weights_is_one_minus_their_cosine():
    w = np.concatenate([ENDED[name].ravel() for name in MEASURED])
    v = np.concatenate([measured.ravel() for measured in MEASURED.values()])
    w, v = w[np.isfinite(v)], v[np.isfinite(v)]
    expected = 1.0 - w @ v / (np.linalg.norm(w) * np.linalg.norm(v))
    objective = FinalWeights(compare="direction")
    assert 0.1 < expected < 1.9
    np.testing.assert_allclose(objective.loss(THETA, LIVED), expected, rtol=1e-5)
    for factor, loss in ((3.0, expected), (-1.0, 2.0 - expected), (0.0, 1.0)):
        scaled = {}
        for name, synapses in LIVED.synapses.items():
            scaled[name] = Synapses(weight=factor * synapses.weight, mask=synapses.mask)
        found = objective.loss(THETA, LIVED._replace(synapses=scaled))
        np.testing.assert_allclose(found, loss, rtol=1e-5)


def test_a_short_and_a_long_last_phase_are_told_from_the_rest():
    for last in (1, 3, 5, 7):
        shape = SHAPE._replace(phases=((8 - last, True), (last, False)))
        ones = np.ones(8, np.float32)
        lived = _scored(weight=ones)._replace(shape=shape)
        np.testing.assert_allclose(FinalLoss().loss(THETA, lived), np.mean(LOSS[-last:]), rtol=1e-6)
        whole = FinalLoss().window(THETA, lived.trace.score, shape, jnp.asarray(0))
        np.testing.assert_allclose(whole, np.mean(LOSS[-last:]), rtol=1e-6)
    three = SHAPE._replace(phases=((2, True), (4, False), (2, True)))
    np.testing.assert_allclose(
        FinalLoss().loss(THETA, _scored(weight=ones)._replace(shape=three)),
        np.mean(LOSS[6:]),
        rtol=1e-6,
    )
    np.testing.assert_allclose(
        FinalLoss().window(THETA, lived.trace.score, three, jnp.asarray(0)),
        np.mean(LOSS[6:]),
        rtol=1e-6,
    )


@pytest.mark.parametrize("total", [0.0, 0.25, 1.0, 40.0])
def test_a_mean_does_not_depend_on_the_unit_of_the_weights(total):
    weight = np.asarray([0, 0, 0, 0, 0, 0, 1, 3], np.float32) * np.float32(total / 4)
    expected = (LOSS[6] + 3 * LOSS[7]) / 4 if total else 0.0
    np.testing.assert_allclose(MeanLoss().loss(THETA, _scored(weight=weight)), expected, rtol=1e-6)
