"""The loss of a set rate against its closed form, and the cost of a burst or of silence."""

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from inner_tasks.homeostasis import Homeostasis, _median
from metaplast.signals import neuron_view
from metaplast.testing.base import keys, quick_jit

DT = 1e-3
TASK = Homeostasis(n_in=3, n_out=4, n_steps=2000, window=1000)


def _scores(activity: Any) -> Any:
    """The score of every step, for the output's activity [n_steps, 4]."""
    rates = TASK.sample(jax.random.key(0), "train")

    def step(state: Any, y: Any) -> Any:
        state, outcome = TASK.step(rates, state, neuron_view(y, y, y), jax.random.key(0), DT)
        return state, outcome.score

    return jax.lax.scan(step, TASK.begin(rates, jax.random.key(1), DT), activity)[1]


_lived = quick_jit(_scores)


def _trains(*hertz: float) -> np.ndarray:
    """Regular trains, one per cell, all in step."""
    steps = np.arange(TASK.n_steps)
    return np.stack(
        [steps % round(1000 / f) == 0 if f else np.zeros_like(steps) for f in hertz], axis=1
    ).astype(float)


def test_the_loss_is_that_of_the_window_and_counts_in_the_last_step_alone():
    early = _trains(20, 20, 20, 20)
    late = _trains(10, 20, 5, 10)
    score = _lived(np.concatenate([early[:1000], late[1000:]]))
    by_hand = np.mean([(r - 10) ** 2 / (r + 0.1) for r in (10, 20, 5, 10)])
    assert score.loss[-1] == pytest.approx(by_hand, rel=1e-4)
    assert score.metrics["rate"][-1] == pytest.approx(11.25, rel=1e-5)
    assert score.metrics["median_rate"][-1] == pytest.approx(10.0, rel=1e-5)  # of 10, 20, 5, 10
    assert score.metrics["max_rate"][-1] == pytest.approx(20.0, rel=1e-5)
    assert score.metrics["median_error"][-1] == pytest.approx(0.0, abs=1e-6)
    assert score.metrics["within_half"][-1] == pytest.approx(0.75)  # 20 Hz is off by more than 5
    np.testing.assert_array_equal(score.weight, np.arange(2000) == 1999)
    assert not np.any(score.metrics["blown"])


def test_blowing_up_is_worse_the_earlier_and_always_worse_than_holding_out():
    quiet = _trains(10, 10, 10, 10)
    losses = []
    for start in (100, 1500):
        activity = quiet.copy()
        activity[start:] = (
            1.0  # every cell in every step: the mean of 0.1 s passes 100 Hz after 9 or 10 of them
        )
        score = _lived(activity)
        blown = int(np.argmax(score.metrics["blown"]))
        assert 0 < blown - start < 15
        assert score.loss[-1] == pytest.approx(160 * (1 + math.exp(-blown / 2000)), rel=1e-4)
        losses.append(float(score.loss[-1]))
    half = float(_lived(_trains(0, 10, 0, 10)).loss[-1])  # two cells never fire: 500 by the formula
    assert losses[0] > losses[1] > half == 160.0
    silent = _lived(np.zeros((2000, 4)))
    time = int(np.argmax(silent.metrics["blown"]))
    assert time == pytest.approx(100 * math.log(10.0 / 0.1), abs=2)  # from 10 Hz to 0.1 Hz


def test_every_stretch_has_its_own_inputs_and_its_own_score():
    task = Homeostasis(n_in=3, n_out=2, n_steps=600, window=100, n_stretches=3)
    rates = task.sample(jax.random.key(0), "train")
    trains = np.zeros((600, 2))
    trains[0:100] = 1.0  # before the window of the first stretch
    trains[150, 0] = trains[320:380:20] = trains[500, :] = trains[520, 1] = 1.0

    @quick_jit
    def lived(activity: Any) -> Any:
        def step(state: Any, y: Any) -> Any:
            shown = task.stimulus(rates, state, jax.random.key(0), DT)["input"]
            view = neuron_view(y, y, y)
            state, outcome = task.step(rates, state, view, jax.random.key(0), DT)
            return state, (shown, outcome.score)

        return jax.lax.scan(step, task.begin(rates, jax.random.key(1), DT), activity)[1]

    shown, score = lived(trains)
    for stretch in range(3):
        within = shown[200 * stretch : 200 * (stretch + 1)]
        np.testing.assert_array_equal(within, np.tile(rates[stretch], (200, 1)))
    assert len({float(x) for x in rates.ravel()}) == 9
    np.testing.assert_array_equal(np.flatnonzero(score.weight), [199, 399, 599])
    # spikes in the windows, over 0.1 s: (1, 0), (3, 3), (1, 2)
    np.testing.assert_allclose(score.metrics["rate"][199::200], [5.0, 30.0, 15.0], rtol=1e-5)
    np.testing.assert_allclose(score.metrics["median_error"][199::200], [0.5, 2.0, 0.5], rtol=1e-5)
    np.testing.assert_allclose(score.metrics["within_half"][199::200], [0.5, 0.0, 0.5])


@pytest.mark.parametrize("n", [1, 2, 5, 8])
def test_the_median_is_that_of_numpy_with_ties(n):
    values = np.random.default_rng(n).integers(0, 4, size=(20, n)).astype(float)
    for row in values:
        assert float(_median(jnp.asarray(row))) == np.median(row)


def test_stretches_that_do_not_fill_a_life_are_refused():
    with pytest.raises(ValueError, match="n_stretches=3"):
        Homeostasis(n_steps=2000, n_stretches=3)


@pytest.mark.parametrize("activity", [0.0, 1.0])
def test_a_life_that_blew_up_still_has_the_slope_of_its_deviation(activity):
    """d/dr of (r - 10)^2 / (r + 0.1), by a spike of one of four cells in a window of one second."""
    trains = np.full((2000, 4), activity)
    slope = np.asarray(quick_jit(jax.grad(lambda y: _scores(y).loss[-1]))(trains))
    r = 1000.0 * activity
    by_hand = (2 * (r - 10) / (r + 0.1) - ((r - 10) / (r + 0.1)) ** 2) / 4
    if activity == 0.0:
        by_hand += 10**2 / 0.1**2 / 8  # max(r, 0) has half a slope at r = 0
    np.testing.assert_allclose(slope[1000:], by_hand, rtol=1e-3)
    assert not slope[:1000].any()


def test_lives_differ_in_their_rates_by_the_spread():
    many = quick_jit(jax.vmap(lambda key: Homeostasis(n_in=50).sample(key, "train")))(keys(0, 400))
    logs = np.log(np.asarray(many)[:, 0] / 20.0)
    assert logs.mean() == pytest.approx(0.0, abs=4 * 0.3 / 20)
    assert logs.mean(axis=1).std() == pytest.approx(0.3, rel=0.15)
    assert logs.std(axis=1).mean() == pytest.approx(0.3, rel=0.1)


@pytest.mark.parametrize("target", [0.05, 100.0, 200.0])
def test_a_target_beyond_the_bounds_of_a_life_is_refused(target):
    with pytest.raises(ValueError, match="target"):
        Homeostasis(target=target)
    assert jnp.isfinite(Homeostasis(target=50.0).target)
