"""Task families against the equations of their docstrings, in plain NumPy."""

from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from inner_tasks import tabular
from inner_tasks.association import Association
from inner_tasks.bandit import Bandit
from inner_tasks.nonstationary import Nonstationary
from inner_tasks.pointmass import Pointmass
from inner_tasks.regression import Regression
from inner_tasks.tabular import Tabular
from inner_tasks.waveform import Waveform
from metaplast.signals import neuron_view
from metaplast.tasks import SPLITS
from metaplast.testing.base import quick_jit


def _draw(family: Any, n: int = 1) -> Any:
    sample = quick_jit(jax.vmap(lambda key: family.sample(key, "train")))
    return jax.tree.map(np.asarray, sample(jax.random.split(jax.random.key(0), n)))


def _live(family: Any, task: Any, outputs: Any) -> tuple[Any, Any]:
    """(stimuli, outcomes) of a life whose output is `outputs` [n_steps, n_out]."""

    task = jax.tree.map(jnp.asarray, task)

    def step(state: Any, now: Any) -> Any:
        y, key = now
        seen = family.stimulus(task, state, key, 1e-3)
        state, outcome = family.step(task, state, neuron_view(y, y, jnp.ones_like(y)), key, 1e-3)
        return state, (seen, outcome)

    keys = jax.random.split(jax.random.key(1), len(outputs))
    run = quick_jit(lambda y, k: jax.lax.scan(step, family.begin(task, k[0], 1e-3), (y, k))[1])
    return jax.tree.map(np.asarray, run(jnp.asarray(outputs, jnp.float32), keys))


def test_association_shows_every_pattern_and_asks_for_one_from_a_part():
    family = Association(
        n_patterns=3, n_bits=10, present=2, pause=1, recall=4, degraded=0.3, drive=2.0
    )
    task = jax.tree.map(lambda x: x[0], _draw(family))
    stimuli, outcome = _live(family, task, np.ones((13, 10)))
    shown = stimuli["input"]
    for k in range(3):
        np.testing.assert_array_equal(
            shown[3 * k : 3 * k + 2], 2.0 * np.tile(task.patterns[k], (2, 1))
        )
        np.testing.assert_array_equal(shown[3 * k + 2], 0.0)
    asked = task.patterns[task.asked]
    np.testing.assert_array_equal(shown[9:], np.tile(2.0 * asked * task.kept, (4, 1)))
    assert task.kept.sum() == 7
    np.testing.assert_array_equal(outcome.score.weight, [0] * 11 + [1, 1])
    np.testing.assert_allclose(outcome.score.loss[-1], np.mean((1 - asked) ** 2), rtol=1e-6)
    right = np.mean(asked[task.kept == 0] > 0)
    np.testing.assert_allclose(outcome.score.metrics["accuracy"][-1], right, rtol=1e-6)


def test_a_bandit_pays_as_often_as_its_arm_says_and_counts_regret():
    family = Bandit(n_arms=3, n_steps=2000)
    p = jnp.asarray([0.2, 0.7, 0.5])
    _, outcome = _live(family, p, np.tile([0.0, 0.0, 1.0], (2000, 1)))
    reward = outcome.feedback.modulators["reward"]
    assert abs(reward.mean() - 0.5) < 4 * np.sqrt(0.25 / 2000)
    assert set(np.unique(reward)) == {0.0, 1.0}
    np.testing.assert_allclose(outcome.score.loss, 0.2, rtol=1e-5)
    assert not outcome.score.metrics["accuracy"].any()
    _, lots = _live(family, p, np.zeros((2000, 3)))  # a tie is broken by lot
    best = lots.score.metrics["accuracy"].mean()
    assert abs(best - 1 / 3) < 4 * np.sqrt(2 / 9 / 2000)


def test_dependent_arms_sum_to_one():
    pairs = _draw(Bandit(arms="dependent"), 50)
    np.testing.assert_allclose(pairs.sum(axis=1), 1.0, rtol=1e-6)
    apart = _draw(Bandit(), 50)
    assert np.std(apart.sum(axis=1)) > 0.2
    with pytest.raises(ValueError, match="n_arms=3 with dependent arms"):
        Bandit(n_arms=3, arms="dependent")


def test_a_point_mass_obeys_its_equations():
    family = Pointmass(n_trials=2, trial_steps=5, step_size=0.1, force=2.0, damping=0.5)
    task = jax.tree.map(lambda x: x[0], _draw(family))
    outputs = np.random.default_rng(0).normal(size=(10, 2))
    stimuli, outcome = _live(family, task, outputs)
    x = np.zeros(2)
    v = np.zeros(2)
    for t, y in enumerate(outputs):
        target = task.targets[t // 5]
        np.testing.assert_allclose(stimuli["input"][t], [*(target - x), *v], atol=1e-5)
        before = np.linalg.norm(target - x)
        v = (1 - 0.05) * v + 0.1 * 2.0 * task.signs * np.tanh(y)
        x = x + 0.1 * v
        np.testing.assert_allclose(outcome.score.loss[t], np.sum((target - x) ** 2), rtol=1e-4)
        closer = (before - np.linalg.norm(target - x)) / 0.1
        np.testing.assert_allclose(
            outcome.feedback.modulators["progress"][t], closer, rtol=1e-3, atol=1e-4
        )
    np.testing.assert_array_equal(outcome.score.weight, [0] * 5 + [1] * 5)
    signs = _draw(family, 400).signs
    assert abs(np.mean(signs < 0) - 0.5) < 4 * 0.5 / np.sqrt(800)


def test_curves_are_sines_of_unit_variance_in_a_population_code():
    family = Regression(n_in=7, shots=30, queries=30, noise=0.0)
    curves = _draw(family, 200)
    centres = np.linspace(-1, 1, 7)
    x = centres[np.argmax(curves.inputs, axis=2)]
    assert curves.inputs.max() <= 1.0
    assert np.all(np.abs(x) <= 1.0)
    assert 0.8 < curves.values.std(axis=1).mean() < 1.1
    noisy = _draw(Regression(n_in=7, shots=30, queries=30, noise=0.5), 200)
    # queries carry no noise
    np.testing.assert_array_equal(noisy.values[:, 30:], curves.values[:, 30:])
    assert np.all(np.any(noisy.values[:, :30] != curves.values[:, :30], axis=1))


def test_the_world_changes_from_stretch_to_stretch():
    family = Nonstationary(n_in=3, n_classes=2, n_stretches=4, length=50, grace=5, noise=0.0)
    task = jax.tree.map(lambda x: x[0], _draw(family))
    places = [set(map(tuple, task.inputs[50 * k : 50 * k + 50])) for k in range(4)]
    assert all(len(place) == 2 for place in places)
    assert not set.union(*places[:1]) & set.union(*places[1:])
    _, outcome = _live(family, task, np.zeros((200, 2)))
    np.testing.assert_array_equal(outcome.score.weight, np.tile([0] * 5 + [1] * 45, 4))
    metrics = outcome.score.metrics
    np.testing.assert_allclose(
        metrics["accuracy_late"].mean(), metrics["accuracy"][100:].mean(), rtol=1e-5
    )


@pytest.mark.parametrize("data", tabular.FILES)
def test_rows_of_a_table_are_in_one_split_each(data):
    from sklearn import datasets

    _, n_features, n_classes = tabular.FILES[data]
    known = getattr(datasets, f"load_{data}")()
    parts = {split: tabular._part(data, 3, split) for split in SPLITS}
    assert sum(len(labels) for _, labels in parts.values()) == len(known.target)
    joined = np.concatenate([features for features, _ in parts.values()])
    raw = (known.data - known.data.mean(axis=0)) / known.data.std(axis=0)
    joined = (joined - joined.mean(axis=0)) / joined.std(axis=0)
    # every row, once
    np.testing.assert_allclose(np.sort(joined, axis=0), np.sort(raw, axis=0), atol=1e-3)
    for features, labels in parts.values():
        assert features.shape[1] == n_features
        assert set(labels) == set(range(n_classes))
        share = np.bincount(labels) / len(labels)
        np.testing.assert_allclose(share, np.bincount(known.target) / len(known.target), atol=0.03)


def test_a_life_on_a_table_shows_no_row_twice_and_differs_from_the_next():
    lives = _draw(Tabular(data="iris", shown=20, gain=0.0), 30)
    for inputs, labels in zip(np.abs(lives.inputs), lives.labels, strict=True):
        # iris has a few equal rows of its own
        assert len({tuple(row) for row in np.round(inputs, 4)}) >= 26
        assert len(set(labels)) == 3
    with pytest.raises(ValueError, match=r"queries=10 of iris.*at most 30 rows"):
        Tabular(data="iris", shown=24, queries=10)


def test_waveform_tells_the_distance_to_a_sum_of_sines():
    family = Waveform(amplitudes=(1.0, -0.5), shortest=0.05, longest=0.2, n_learn=30, n_held=20)
    task = jax.tree.map(lambda x: x[0], _draw(family))
    assert 0.05 <= task.period <= 0.2
    t = 1e-3 * np.arange(50)
    wave = np.zeros(50)
    for k, (a, phase) in enumerate(zip((1.0, -0.5), task.phases, strict=True), 1):
        wave += a * np.sin(2 * np.pi * k * t / task.period + phase)
    stimuli, outcome = _live(family, task, np.full((50, 1), 0.3))
    np.testing.assert_allclose(stimuli["input"][:, 0], wave, atol=1e-5)
    np.testing.assert_allclose(outcome.feedback.target[:, 0], wave, atol=1e-5)
    np.testing.assert_allclose(outcome.feedback.error[:, 0], 2 * (0.3 - wave), atol=1e-5)
    np.testing.assert_allclose(outcome.score.loss, (0.3 - wave) ** 2, atol=1e-5)
    power = (1.0 + 0.5**2) / 2
    np.testing.assert_allclose(outcome.score.metrics["nse"], outcome.score.loss / power, rtol=1e-5)
    hidden, _ = _live(replace(family, shown=False), task, np.zeros((50, 1)))
    np.testing.assert_array_equal(hidden["input"], 0.0)


def test_waveform_refuses_a_range_upside_down_and_silence():
    with pytest.raises(ValueError, match=r"shortest=2\.0 - expected at most longest=1\.0"):
        Waveform(shortest=2.0)
    with pytest.raises(ValueError, match=r"amplitudes=\(0\.0,\) - expected one that is not 0"):
        Waveform(amplitudes=(0.0,))
