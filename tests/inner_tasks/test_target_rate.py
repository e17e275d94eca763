"""The loss of a set rate against its closed form, and the cost of a burst or of silence."""

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from inner_tasks.target_rate import TargetRate
from metaplast.signals import neuron_view
from metaplast.testing.base import keys, quick_jit

DT = 1e-3
TASK = TargetRate(n_in=3, n_out=4, n_steps=2000, window=1000)


@quick_jit
def _lived(activity: Any) -> Any:
    """The score of every step, for the output's activity [n_steps, 4]."""
    rates = TASK.sample(jax.random.key(0), "train")

    def step(state: Any, y: Any) -> Any:
        state, outcome = TASK.step(rates, state, neuron_view(y, y, y), jax.random.key(0), DT)
        return state, outcome.score

    return jax.lax.scan(step, TASK.begin(rates, jax.random.key(1), DT), activity)[1]


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


def test_lives_differ_in_their_rates_by_the_spread():
    many = quick_jit(jax.vmap(lambda key: TargetRate(n_in=50).sample(key, "train")))(keys(0, 400))
    logs = np.log(np.asarray(many) / 20.0)
    assert logs.mean() == pytest.approx(0.0, abs=4 * 0.3 / 20)
    assert logs.mean(axis=1).std() == pytest.approx(0.3, rel=0.15)
    assert logs.std(axis=1).mean() == pytest.approx(0.3, rel=0.1)


@pytest.mark.parametrize("target", [0.05, 100.0, 200.0])
def test_a_target_beyond_the_bounds_of_a_life_is_refused(target):
    with pytest.raises(ValueError, match="target"):
        TargetRate(target=target)
    assert jnp.isfinite(TargetRate(target=50.0).target)
