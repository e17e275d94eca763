"""Frozen patterns of spikes, and a reward for the right answer."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from metaplast import registry
from metaplast.registry import find
from metaplast.signals import neuron_view

SMALL = {"n_in": 5, "pattern_steps": 8, "pause_steps": 2, "n_trials": 6, "n_judged": 3}


def _family(**settings: Any) -> Any:
    return find("task", "spike_pattern_reward")(**SMALL, **settings)


def _step(family: Any, task: Any, spikes_before: Any, spikes: Any, t: int) -> Any:
    state = family.begin(task, jax.random.key(0), 1e-3)
    state = type(state)(t=jnp.asarray(t, jnp.int32), spikes=jnp.asarray(spikes_before))
    blank = jnp.zeros(1)
    view = neuron_view(jnp.asarray([spikes]), blank, blank)
    return family.step(task, state, view, jax.random.key(0), 1e-3)[1]


def test_raw_spikes_are_those_behind_the_traces():
    key = jax.random.key(1)
    raw = _family(tau_steps=0.0).sample(key, "train")
    traces = _family(tau_steps=3.0).sample(key, "train")
    assert set(np.unique(raw.shown)) == {0.0, 1.0}
    s = np.zeros(raw.shown[:, 0].shape)
    for t in range(8):
        s = np.exp(-1.0 / 3.0) * s + raw.shown[:, t]
        np.testing.assert_allclose(traces.shown[:, t], s, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(raw.wanted, traces.wanted)
    np.testing.assert_array_equal(raw.order, traces.order)


def test_held_out_lives_have_patterns_of_their_own():
    family = _family(tau_steps=0.0)
    key = jax.random.key(1)
    one = family.sample(key, "train").shown
    other = family.sample(key, "heldout").shown
    assert 0.05 < float(jnp.mean(one != other)) < 0.5  # chance is 2 p (1 - p) = 0.255


@pytest.mark.parametrize(("wanted", "spikes"), [(1.0, 0.0), (1.0, 2.0), (0.0, 0.0), (0.0, 1.0)])
def test_reward_and_punishment_come_in_the_last_step_of_a_pattern(wanted: float, spikes: float):
    family = _family(gated=False)
    task = family.sample(jax.random.key(0), "train")
    task = type(task)(shown=task.shown, wanted=jnp.full(4, wanted), order=task.order)
    right = (spikes > 0) == (wanted > 0)
    end = _step(family, task, spikes, 0.0, 7)
    assert float(end.feedback.modulators["reward"]) == (1.0 if right else -1.0)
    assert float(end.feedback.modulators["punishment"]) == (0.0 if right else 1.0)
    assert float(end.score.loss) == (0.0 if right else 1.0)
    for t in (6, 8):
        told = _step(family, task, spikes, 0.0, t).feedback
        assert float(told.modulators["reward"]) == float(told.modulators["punishment"]) == 0.0
        assert float(told.gate) == 1.0


def test_plasticity_may_be_gated_by_the_reward():
    family = _family()
    task = family.sample(jax.random.key(0), "train")
    assert "gate" in family.shape().offers
    assert "gate" not in _family(gated=False).shape().offers
    assert [float(_step(family, task, 0.0, 0.0, t).feedback.gate) for t in (6, 7, 8)] == [0, 1, 0]


@pytest.mark.parametrize("wanted", [0.0, 1.0])
def test_the_answer_has_the_slope_of_superspike_in_the_number_of_spikes(wanted: float):
    family = _family()
    task = family.sample(jax.random.key(0), "train")
    task = type(task)(shown=task.shown, wanted=jnp.full(4, wanted), order=task.order)

    def loss(spikes_before: Any, spikes: Any) -> Any:
        return _step(family, task, spikes_before, spikes, 7).score.loss

    slopes = jax.grad(loss, argnums=(0, 1))(2.0, 1.0)
    expected = (1.0 - 2.0 * wanted) / (1.0 + 2.5) ** 2
    np.testing.assert_allclose(slopes, (expected, expected), rtol=1e-6)


def test_the_old_name_loads_with_a_warning(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(registry, "_warned", set())
    with pytest.warns(FutureWarning, match="spike_pattern_reward"):
        assert find("task", "rewarded_patterns") is find("task", "spike_pattern_reward")
