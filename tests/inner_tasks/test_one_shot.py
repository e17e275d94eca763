"""Trials under one order of the outputs, against the task of a single trial."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from inner_tasks.bandit import Bandit
from inner_tasks.cue_accumulation import CueAccumulation
from inner_tasks.digits import Digits
from inner_tasks.one_shot import OneShot
from inner_tasks.store_recall import StoreRecall
from metaplast.signals import neuron_view
from metaplast.testing.base import quick_jit

N_LIVES = 40
TRIALS = {
    "store_recall": StoreRecall(n_symbols=3, symbol_steps=2, delay=2, group=1),
    "cue_accumulation": CueAccumulation(
        n_cues=3, cue_steps=2, gap_steps=1, shortest=1, longest=3, decision_steps=2, group=1
    ),
}


def _lives(family: Any, tasks: Any, outputs: Any) -> tuple[Any, Any]:
    """(stimuli, outcomes) of lives whose outputs are [n_lives, n_steps, n_out]."""

    def one(task: Any, y: Any) -> Any:
        def step(state: Any, now: Any) -> Any:
            output, key = now
            seen = family.stimulus(task, state, key, 1e-3)["input"]
            view = neuron_view(output, output, jnp.ones_like(output))
            state, outcome = family.step(task, state, view, key, 1e-3)
            return state, (seen, outcome)

        keys = jax.random.split(jax.random.key(1), len(y))
        return jax.lax.scan(step, family.begin(task, keys[0], 1e-3), (y, keys))[1]

    return jax.tree.map(np.asarray, quick_jit(jax.vmap(one))(tasks, jnp.asarray(outputs)))


def _draw(family: Any) -> Any:
    sample = quick_jit(jax.vmap(lambda key: family.sample(key, "train")))
    return jax.tree.map(np.asarray, sample(jax.random.split(jax.random.key(0), N_LIVES)))


@pytest.mark.parametrize("name", TRIALS)
def test_every_trial_is_one_of_the_task_with_its_outputs_in_the_order_of_the_life(name):
    inner = TRIALS[name]
    n = inner.shape().n_steps
    family = OneShot(task=inner, shown=1, asked=2)
    assert family.shape().phases == ((n, True), (2 * n, False))
    tasks = _draw(family)
    outputs = np.random.default_rng(0).normal(size=(N_LIVES, 3 * n, 2)).astype(np.float32)
    stimuli, outcome = _lives(family, tasks, outputs)
    swapped = tasks.order[:, 0] == 1
    assert 8 < swapped.sum() < 32
    for k in range(3):
        part = slice(k * n, k * n + n)
        one = jax.tree.map(lambda leaf, k=k: leaf[:, k], tasks.trials)
        y = np.where(swapped[:, None, None], outputs[:, part, ::-1], outputs[:, part])
        seen, alone = _lives(inner, one, y)
        np.testing.assert_array_equal(stimuli[:, part], seen)
        np.testing.assert_allclose(outcome.score.loss[:, part], alone.score.loss, rtol=1e-5)
        judged = alone.score.weight if k else 0.0 * alone.score.weight
        np.testing.assert_array_equal(outcome.score.weight[:, part], judged)
        for field in ("error", "target"):
            told = getattr(alone.feedback, field)
            told = np.where(swapped[:, None, None], told[:, :, ::-1], told)
            np.testing.assert_allclose(getattr(outcome.feedback, field)[:, part], told, atol=1e-6)
    ends = np.tile([0.0] * (n - 1) + [1.0], (N_LIVES, 3))
    np.testing.assert_array_equal(outcome.feedback.reset, ends)


def test_an_answer_that_does_not_know_the_order_loses_ln_2_and_one_that_does_loses_nothing():
    family = OneShot(task=TRIALS["store_recall"], asked=1)
    n = 6
    tasks = _draw(family)
    lone = {}
    for order in ([0, 1], [1, 0]):
        fixed = tasks.__class__(trials=tasks.trials, order=np.tile(order, (N_LIVES, 1)))
        outputs = np.random.default_rng(3).normal(size=(N_LIVES, 2 * n, 2)).astype(np.float32)
        score = _lives(family, fixed, outputs)[1].score
        lone[order[0]] = (score.loss * score.weight).sum(axis=1)
    blind = (lone[0] + lone[1]) / 2
    assert (blind >= np.log(2) - 1e-5).all()
    # Control: under one order alone some answers are better than that.
    assert (lone[0] < np.log(2)).any()
    stored = np.take_along_axis(tasks.order, tasks.trials.stored[:, 1:], axis=1)
    knowing = np.tile(20.0 * np.eye(2, dtype=np.float32)[stored], (1, 2 * n, 1))
    score = _lives(family, tasks, knowing)[1].score
    assert (score.loss * score.weight).sum(axis=1).max() < 1e-6


def test_half_of_dt_halves_the_trial():
    half = OneShot(task=TRIALS["store_recall"]).halved()
    assert half is not None
    assert half.task == TRIALS["store_recall"].halved()
    assert OneShot(task=TRIALS["cue_accumulation"]).halved() is None


@pytest.mark.parametrize("inner", [Bandit(), Digits()], ids=["no target", "phases"])
def test_a_task_that_tells_no_target_or_rests_is_refused(inner):
    with pytest.raises(ValueError, match="take store_recall or cue_accumulation"):
        OneShot(task=inner)
