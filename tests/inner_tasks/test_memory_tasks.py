"""Tasks that need a memory of seconds, against the equations of their docstrings."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from inner_tasks.cue_accumulation import CueAccumulation
from inner_tasks.delayed_reward import DelayedReward
from inner_tasks.store_recall import StoreRecall
from metaplast.signals import neuron_view
from metaplast.tasks import Split
from metaplast.testing.base import quick_jit


def _draw(family: Any, n: int, split: Split = "train") -> Any:
    sample = quick_jit(jax.vmap(lambda key: family.sample(key, split)))
    return jax.tree.map(np.asarray, sample(jax.random.split(jax.random.key(0), n)))


def _live(family: Any, tasks: Any, outputs: Any) -> tuple[Any, Any]:
    """(stimuli, outcomes) of lives whose output is `outputs` [n_steps, n_out]."""

    def one(task: Any, y: Any) -> Any:
        def step(state: Any, now: Any) -> Any:
            output, key = now
            seen = family.stimulus(task, state, key, 1e-3)["input"]
            view = neuron_view(output, output, jnp.ones_like(output))
            state, outcome = family.step(task, state, view, key, 1e-3)
            return state, (seen, outcome)

        keys = jax.random.split(jax.random.key(1), len(y))
        return jax.lax.scan(step, family.begin(task, keys[0], 1e-3), (y, keys))[1]

    run = quick_jit(jax.vmap(one, (0, None)))
    return jax.tree.map(np.asarray, run(tasks, jnp.asarray(outputs, jnp.float32)))


def _cross_entropy(y: np.ndarray, right: int) -> float:
    return float(np.log(np.exp(y).sum()) - y[right])


def test_a_stored_symbol_is_asked_for_a_delay_later_and_others_come_between():
    family = StoreRecall(n_symbols=5, symbol_steps=3, delay=3, group=2, rate=80.0)
    tasks = _draw(family, 60)
    outputs = np.random.default_rng(0).normal(size=(15, 2))
    stimuli, outcome = _live(family, tasks, outputs)
    stores = []
    for life in range(60):
        slots = stimuli[life].reshape(5, 3, 4, 2)
        assert (slots == slots[:, :1, :, :1]).all()
        on = slots[:, 0, :, 0]
        assert set(np.unique(on)) == {0.0, 80.0}
        (store,) = np.flatnonzero(on[:, 2])
        (asked,) = np.flatnonzero(on[:, 3])
        assert asked == store + 3
        stores.append(store)
        shown = (on[:, :2] > 0).sum(axis=1)
        np.testing.assert_array_equal(shown, np.arange(5) != asked)
        right = int(on[store, 1] > 0)
        recall = slice(3 * asked, 3 * asked + 3)
        weight = outcome.score.weight[life]
        assert np.flatnonzero(weight).tolist() == [recall.stop - 1]
        y = outputs[recall].mean(axis=0)
        expected = _cross_entropy(y, right)
        assert outcome.score.loss[life, recall.stop - 1] == pytest.approx(expected, rel=1e-5)
        hit = outcome.score.metrics["accuracy"][life, recall.stop - 1]
        assert hit == (np.argmax(y) == right)
        told = np.zeros((15, 2))
        told[recall, right] = 1.0
        np.testing.assert_array_equal(outcome.feedback.target[life], told)
        assert not outcome.feedback.error[life][told.sum(axis=1) == 0].any()
    assert set(stores) == {0, 1}
    assert 0.3 < tasks.stored.mean() < 0.7


def test_the_side_with_more_cues_is_asked_for_at_the_end():
    family = CueAccumulation(
        n_cues=5, cue_steps=2, gap_steps=1, shortest=2, longest=6, decision_steps=3, group=1
    )
    n_steps = 5 * 3 + 6 + 3
    tasks = _draw(family, 200)
    outputs = np.random.default_rng(0).normal(size=(n_steps, 2))
    stimuli, outcome = _live(family, tasks, outputs)
    delays = []
    agreement = []
    for life in range(200):
        left, right, decision, noise = stimuli[life].T
        np.testing.assert_array_equal(noise, 10.0)
        np.testing.assert_array_equal(decision, [0] * (n_steps - 3) + [40] * 3)
        on = np.flatnonzero(left + right)
        delays.append(n_steps - 3 - (on[-1] + 2))  # one silent step follows the last cue
        np.testing.assert_array_equal(on[::2], on[0] + 3 * np.arange(5))
        np.testing.assert_array_equal(on[1::2], on[::2] + 1)
        majority = int(right.sum() > left.sum())
        agreement.append(max(right.sum(), left.sum()) / (left + right).sum())
        y = outputs[-3:].mean(axis=0)
        expected = _cross_entropy(y, majority)
        assert outcome.score.loss[life, -1] == pytest.approx(expected, rel=1e-5)
        assert outcome.score.metrics["accuracy"][life, -1] == (np.argmax(y) == majority)
        np.testing.assert_array_equal(outcome.score.weight[life], np.arange(n_steps) == n_steps - 1)
    assert set(delays) == {2, 3, 4, 5, 6}
    assert 0.4 < tasks.majority.mean() < 0.6
    assert 0.7 < np.mean(agreement) < 0.85  # 0.77 for five cues that agree with probability 0.7


def test_a_reward_comes_its_delay_after_the_action():
    family = DelayedReward(
        n_in=6,
        n_cues=2,
        n_trials=30,
        n_judged=10,
        cue_steps=2,
        shortest=1,
        longest=4,
        further=3,
        rest_steps=1,
        rate=50.0,
        noise=3.0,
    )
    outputs = np.random.default_rng(0).poisson(1.0, size=(30, 10, 2))
    expected: dict[Split, set[int]] = {"train": {1, 2, 3, 4}, "heldout": {4, 5, 6, 7}}
    for split, lags in expected.items():
        task = jax.tree.map(lambda x: x[:1], _draw(family, 1, split))
        stimuli, outcome = _live(family, task, outputs.reshape(300, 2))
        assert sorted(task.right[0]) == [0, 1]
        rewards = outcome.feedback.modulators["reward"][0].reshape(30, 10)
        right = outcome.score.metrics["accuracy"][0].reshape(30, 10)[:, 1]
        shown = stimuli[0].reshape(30, 10, 6)
        found = set()
        for trial in range(30):
            cue = task.order[0, trial]
            np.testing.assert_array_equal(shown[trial, :2], np.tile(task.rates[0, cue], (2, 1)))
            np.testing.assert_array_equal(shown[trial, 2:], 3.0)
            counts = outputs[trial, :2].sum(axis=0)
            if counts[0] != counts[1]:
                assert right[trial] == (np.argmax(counts) == task.right[0, cue])
            (at,) = np.flatnonzero(rewards[trial])
            assert rewards[trial, at] == 2 * right[trial] - 1
            found.add(int(at) - 1)
        assert found == lags
        judged = np.zeros((30, 10))
        judged[20:, 1] = 1.0
        np.testing.assert_array_equal(outcome.score.weight[0].reshape(30, 10), judged)


@pytest.mark.parametrize(
    ("family", "fields", "words"),
    [
        (StoreRecall, {"delay": 8}, "delay=8 in a life of n_symbols=8"),
        (CueAccumulation, {"n_cues": 4}, "n_cues=4 - expected an odd number"),
        (CueAccumulation, {"shortest": 2000}, "shortest=2000, longest=1500"),
        (DelayedReward, {"shortest": 60}, "shortest=60, longest=50"),
        (DelayedReward, {"n_judged": 41}, "n_judged=41 of n_trials=40"),
    ],
)
def test_settings_that_make_no_life_are_refused(family, fields, words):
    with pytest.raises(ValueError, match=words):
        family(**fields)
