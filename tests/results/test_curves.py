"""Curves within a life against a plain NumPy life, and their bands against formulas."""

import jax
import numpy as np
import pytest

from inner_tasks.prototypes import Prototypes
from metaplast import search_loop
from metaplast.life.lifetime import Lifetime, Slot
from metaplast.networks.feedforward import Feedforward
from metaplast.problem.meta_problem import MetaProblem
from metaplast.results import curves, evaluate
from metaplast.results.curves import Steps
from metaplast.rules.polynomial import Polynomial
from metaplast.testing.base import quick_jit
from tests.oracles import life as oracle

RULE = Polynomial(terms=("error*pre", "post*pre"), initial=(-1.0, 0.3), rate=0.2, learn="none")
TASK = Prototypes(n_in=3, n_classes=2, shots=3, queries=4)
PROBLEM = MetaProblem(Lifetime(TASK, Feedforward(hidden=(2,)), slots=(Slot(rule=RULE),)))
N = 5


@quick_jit
def _born(batch, theta):
    """Every life at birth, and what it will see."""
    return jax.vmap(lambda task, key: PROBLEM.lifetime.begin(theta, task, key))(
        batch.tasks, batch.keys
    )


def test_every_step_of_every_life_is_that_of_a_plain_loop():
    theta = PROBLEM.init(jax.random.key(0))
    smoothed = curves.per_step(PROBLEM, theta, 3, N)["loss"]
    batch = search_loop.sample(TASK, search_loop.stream(3, "heldout", 0), evaluate.PIECE, "heldout")
    born = _born(batch, theta)
    for i in range(N):
        weights = {name: np.asarray(s.weight[i], np.float64) for name, s in born.synapses.items()}
        back = {name: np.asarray(b[i], np.float64) for name, b in born.feedback["back"].items()}
        inputs, labels = (
            np.asarray(batch.tasks.inputs[i], np.float64),
            np.asarray(batch.tasks.labels[i]),
        )
        losses, _ = oracle.live(inputs, labels, 6, weights, back, RULE)
        np.testing.assert_allclose(smoothed.values[i], losses, rtol=2e-4)
    np.testing.assert_array_equal(smoothed.weight, np.ones((N, 14)))


def test_the_steps_that_come_with_a_judgement_are_those_of_the_curves():
    theta = PROBLEM.init(jax.random.key(0))
    wanted = curves.per_step(PROBLEM, theta, 3, N)
    judged = evaluate.scores(PROBLEM, theta, 3, "heldout", 2 * N, n_curves=N)
    stored = curves.counted(judged.steps)
    assert stored.keys() == wanted.keys()
    for name, steps in wanted.items():
        assert steps.values.shape == (N, TASK.shape().n_steps)
        np.testing.assert_allclose(stored[name].values, steps.values, rtol=1e-5, atol=1e-6)
        np.testing.assert_array_equal(stored[name].weight, steps.weight)
    assert all(len(values) == 2 * N for values in judged.lives.values())


def test_the_score_of_every_step_of_long_lives_is_not_kept(monkeypatch):
    monkeypatch.setattr(evaluate, "LONGEST", TASK.shape().n_steps - 1)
    theta = PROBLEM.init(jax.random.key(0))
    assert not evaluate.scores(PROBLEM, theta, 3, "heldout", N, n_curves=N).steps


def test_the_moving_mean_stays_within_its_phase_and_padding_counts_nothing():
    generator = np.random.default_rng(0)
    values, weight = generator.normal(size=(4, 7)), np.ones((4, 7))
    weight[1, 2], values[1, 2] = 0.0, np.nan
    phases, h = ((4, True), (3, False)), 1
    smoothed = curves.band([Steps(values, weight)], phases, h).mean
    for t in range(7):
        low, high = (0, 4) if t < 4 else (4, 7)
        near = [s for s in range(low, high) if abs(s - t) <= h]
        kept = [values[i, s] for s in near for i in range(4) if weight[i, s]]
        assert smoothed[t] == pytest.approx(np.mean(kept))


def test_the_band_of_one_split_agrees_with_the_normal_interval_and_splits_widen_it():
    generator = np.random.default_rng(1)
    values = generator.normal(2.0, 3.0, (900, 3))
    ones = np.ones_like(values)
    band = curves.band([Steps(values, ones)], ((3, True),), 0)
    half = 1.96 * values.std(axis=0) / 30
    np.testing.assert_allclose(band.mean, values.mean(axis=0))
    np.testing.assert_allclose(band.high - band.mean, half, rtol=0.2)
    np.testing.assert_allclose(band.mean - band.low, half, rtol=0.2)
    offsets = np.array([-1.0, -0.5, 0.0, 0.5, 1.0])
    apart = [Steps(generator.normal(o, 0.1, (100, 3)), np.ones((100, 3))) for o in offsets]
    wide = curves.band(apart, ((3, True),), 0)
    half = 2.7764 * offsets.std(ddof=1) / np.sqrt(5)  # Student's t, 4 degrees of freedom
    np.testing.assert_allclose(wide.high - wide.low, 2 * half, rtol=0.05)


def test_the_band_of_few_lives_is_student_s():
    values = np.array([[0.2, 1.0], [0.9, 1.5], [0.4, 0.1], [0.7, 0.6]])
    band = curves.band([Steps(values, np.ones_like(values))], ((2, True),), 0)
    half = 3.1824463 * values.std(axis=0, ddof=1) / 2
    np.testing.assert_allclose(band.high - band.mean, half, rtol=1e-6)
    np.testing.assert_allclose(band.mean - band.low, half, rtol=1e-6)


def test_lives_that_blow_up_are_counted():
    values = np.array([[1.0, 2.0], [np.inf, 1.0], [3.0, np.nan]])
    assert curves.n_not_finite(Steps(values, np.ones_like(values))) == 2
