"""The simulated flies: metaplast's own life repeats them, and rewards follow the docstring."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from inner_tasks.odour_choice import OdourChoice, simulate
from metaplast.feedback.none import None_
from metaplast.genomes.given import Given
from metaplast.life.lifetime import Lifetime, Slot
from metaplast.registry import find
from metaplast.testing.task_family import check_shapes

TASK = OdourChoice()


def _blocks(task, trial):
    """(reward probabilities [..., 2], block) of every row; padding has those of the first block."""
    block = np.maximum(trial, 0) // task.n_trials
    return np.asarray(task.blocks)[block], block


def test_the_true_rule_in_a_lifetime_repeats_the_weights_and_the_choices():
    recorded, weights = simulate(TASK)
    truth = TASK.truth()
    slots = tuple(
        Slot(f"rule_{i}", glob, rule) for i, (glob, rule) in enumerate(truth.rules.items())
    )
    lifetime = Lifetime(
        TASK, truth.network, None_(), Given(), slots, record=("weights", "activity")
    )
    key = jax.random.key(0)
    theta = lifetime.init(key)

    def live(session):
        life = lifetime.begin(theta, session, key)
        return lifetime.advance(theta, session, life, weights.shape[1], start=0)[1]

    trace = jax.tree.map(
        np.asarray, jax.jit(jax.vmap(live))(jax.tree.map(jnp.asarray, recorded.sessions))
    )
    real = recorded.trial >= 0
    sessions = recorded.sessions
    lived = trace.recorded["weights"]["input_to_hidden_1"]
    np.testing.assert_allclose(lived, weights, atol=1e-5)
    assert np.abs(weights).max() < 9  # far from the bounds of the network
    before = np.concatenate(
        [sessions.weights["input_to_hidden_1"][:, None], weights[:, :-1]], axis=1
    )
    logit = 5.0 * np.tanh(np.einsum("stji,sti->stj", before, sessions.stimulus)).mean(axis=2)
    np.testing.assert_allclose(
        trace.recorded["activity"]["output"][..., 0][real], logit[real], atol=1e-4
    )
    p = 1 / (1 + np.exp(-logit))[real]
    y = sessions.target[..., 0][real]
    assert abs((y - p).sum()) < 4 * np.sqrt((p * (1 - p)).sum())
    loss = -np.log(np.where(y == 1, p, 1 - p))
    np.testing.assert_allclose(trace.score.loss[real], loss, atol=1e-4)


def test_the_expected_reward_is_the_mean_of_the_last_ten_and_refusals_teach_nothing():
    sessions = simulate(TASK)[0].sessions
    modulators = sessions.modulators
    for accepted, reward, advantage in zip(
        sessions.target[..., 0], modulators["reward"], modulators["advantage"], strict=True
    ):
        past = []
        for y, r, a in zip(accepted, reward, advantage, strict=True):
            if not y:
                assert r == a == 0
                continue
            np.testing.assert_allclose(a, r - (np.mean(past[-10:]) if past else 0.0), atol=1e-6)
            past.append(r)
        assert 220 < len(past) <= 240
    np.testing.assert_array_equal(sessions.gate, sessions.target[..., 0])
    np.testing.assert_array_equal(sessions.reset, 0)


def test_a_bait_stays_until_it_is_collected():
    """An odour that is accepted k trials after the last time pays with probability 1 - (1 - p)^k.

    p does not change meanwhile.
    """
    recorded = simulate(OdourChoice(n_sessions=100))[0]
    sessions = recorded.sessions
    seen = {}
    pays, blocks = _blocks(TASK, recorded.trial)
    for row, trial in enumerate(recorded.trial):
        last = np.full(2, -1)
        for t in np.flatnonzero(sessions.gate[row]):
            odour = sessions.stimulus[row, t].argmax()
            if last[odour] + 1 >= TASK.n_trials * blocks[row, t]:
                k = trial[t] - last[odour]
                seen.setdefault((pays[row, t, odour], k), []).append(
                    sessions.modulators["reward"][row, t]
                )
            last[odour] = trial[t]
    often = {case: values for case, values in seen.items() if len(values) >= 50}
    assert {k for _, k in often} >= {1, 2, 3, 4}
    for (p, k), values in often.items():
        q = 1 - (1 - p) ** k
        assert abs(np.mean(values) - q) < 4 * np.sqrt(q * (1 - q) / len(values)) + 1 / len(
            values
        ), (p, k)


@pytest.mark.parametrize("pays", [0.0, 1.0])
def test_certain_rewards_are_certain(pays):
    sessions = simulate(OdourChoice(n_sessions=3, n_trials=10, blocks=((pays, pays),)))[0].sessions
    np.testing.assert_array_equal(sessions.modulators["reward"], pays * sessions.gate)


def test_the_better_odour_is_accepted_more_often_by_the_end_of_a_block():
    recorded = simulate(TASK)[0]
    pays, _ = _blocks(TASK, recorded.trial)
    scent = recorded.sessions.stimulus.argmax(axis=2)
    late = (recorded.trial % TASK.n_trials >= TASK.n_trials // 2) & (recorded.trial >= 0)
    for block in range(3):
        here = late & (np.maximum(recorded.trial, 0) // TASK.n_trials == block)
        better = scent == pays.argmax(axis=2)
        rates = [
            recorded.sessions.target[..., 0][here & chosen].mean() for chosen in (better, ~better)
        ]
        assert rates[0] > rates[1] + 0.3, (block, rates)


def test_a_trial_ends_with_an_acceptance_or_unpaid_at_the_cap():
    task = OdourChoice(n_sessions=20, n_trials=20, readout=0.0, max_presentations=2)
    recorded = simulate(task)[0]
    capped = 0
    for row, trials in enumerate(recorded.trial):
        for trial in range(60):
            rows = np.flatnonzero(trials == trial)
            accepted = recorded.sessions.target[row, rows, 0]
            assert 1 <= len(rows) <= 2
            assert not accepted[:-1].any()
            assert accepted[-1] or len(rows) == 2
            capped += not accepted[-1]
        past = trials < 0
        assert np.all(np.diff(past.astype(int)) >= 0)
        for name in ("stimulus", "target", "observed", "gate"):
            assert not getattr(recorded.sessions, name)[row, past].any()
    # readout 0: every odour is a coin toss
    assert abs(capped / 1200 - 0.25) < 4 * np.sqrt(0.25 * 0.75 / 1200)


def test_a_presentation_is_one_noisy_odour():
    recorded = simulate(TASK)[0]
    x = recorded.sessions.stimulus[recorded.trial >= 0]
    shown = x.argmax(axis=1)
    assert abs(shown.mean() - 0.5) < 2 / np.sqrt(len(x))
    off = x - 0.75 * np.eye(2)[shown]
    np.testing.assert_allclose([off.mean(), off.std()], [0.0, 0.015], atol=1e-3)


def test_the_seed_alone_makes_the_data():
    again, weights = simulate.__wrapped__(OdourChoice(clamp=True))
    jax.tree.map(np.testing.assert_array_equal, again.sessions, simulate(TASK)[0].sessions)
    np.testing.assert_array_equal(weights, simulate(TASK)[1])
    other = OdourChoice(data_seed=1).recorded().sessions.weights["input_to_hidden_1"]
    assert not np.any(other == again.sessions.weights["input_to_hidden_1"])


def test_the_default_holds_out_seven_of_25_flies():
    family = find("task", "odour_choice")()
    assert [len(family.whole(split).subject) for split in ("train", "validation", "heldout")] == [
        18,
        18,
        7,
    ]
    check_shapes(family, family.sample(jax.random.key(0), "train"))
    assert {"reward", "advantage", "weights"} < family.shape().offers
