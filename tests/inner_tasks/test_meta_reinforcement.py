"""Families of one hidden structure and many trials, against dynamic programming in plain NumPy."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from inner_tasks.bandit import Bandit
from inner_tasks.markov_decision import MarkovDecision
from metaplast.signals import neuron_view
from metaplast.testing.base import quick_jit

FAMILY = MarkovDecision(n_states=2, n_actions=4, n_trials=6, trial_steps=5)
N_LIVES = 400


def _draw(family: Any, n: int) -> Any:
    sample = quick_jit(jax.vmap(lambda key: family.sample(key, "train")))
    return jax.tree.map(np.asarray, sample(jax.random.split(jax.random.key(0), n)))


def _live(family: Any, tasks: Any, policy: Any) -> tuple[Any, Any, Any]:
    """(stimuli, actions, outcomes) of every life. policy: (task, state, key) -> output."""
    n_steps = family.shape().n_steps

    def one(task: Any, key: Any) -> Any:
        def step(state: Any, key: Any) -> Any:
            y = policy(task, state, key)
            seen = family.stimulus(task, state, key, 1e-3)["input"]
            after, outcome = family.step(task, state, neuron_view(y, y, y), key, 1e-3)
            return after, (seen, jnp.argmax(y), outcome)

        keys = jax.random.split(key, n_steps)
        return jax.lax.scan(step, family.begin(task, key, 1e-3), keys)[1]

    n = len(jax.tree.leaves(tasks)[0])
    lives = quick_jit(jax.vmap(one))(tasks, jax.random.split(jax.random.key(1), n))
    return jax.tree.map(np.asarray, lives)


def _best(world: Any, horizon: int) -> tuple[np.ndarray, np.ndarray]:
    """V [horizon + 1, S] and Q [horizon + 1, S, A] of the best policy, by the steps to go."""
    n_states, n_actions = world["pays"].shape
    v = np.zeros((horizon + 1, n_states))
    q = np.zeros((horizon + 1, n_states, n_actions))
    for to_go in range(1, horizon + 1):
        for s in range(n_states):
            for a in range(n_actions):
                ahead = sum(p * v[to_go - 1, r] for r, p in enumerate(world["moves"][s, a]))
                q[to_go, s, a] = world["pays"][s, a] + ahead
            v[to_go, s] = max(q[to_go, s])
    return v, q


def _value_of_lots(world: Any, horizon: int) -> float:
    """The expected reward of a walk from the first state, every action drawn alike."""
    value = np.zeros(len(world["pays"]))
    for _ in range(horizon):
        value = (world["pays"] + world["moves"] @ value).mean(axis=1)
    return float(value[0])


def _worlds(tasks: Any) -> list[dict[str, np.ndarray]]:
    pairs = zip(tasks.moves, tasks.pays, strict=True)
    return [{"moves": moves.astype(float), "pays": pays.astype(float)} for moves, pays in pairs]


@pytest.fixture(scope="module")
def tasks() -> Any:
    return _draw(FAMILY, N_LIVES)


@pytest.fixture(scope="module")
def by_lot(tasks: Any) -> Any:
    """Lives of a random policy: equal outputs, and a tie is broken by lot."""
    return _live(FAMILY, tasks, lambda task, state, key: jax.random.uniform(key, (4,)))


def test_the_gap_of_an_action_is_the_one_of_dynamic_programming(tasks):
    for world, gap in zip(_worlds(tasks)[:50], tasks.gap, strict=False):
        v, q = _best(world, 5)
        np.testing.assert_allclose(world["moves"].sum(axis=2), 1.0, rtol=1e-6)
        for h in range(5):
            np.testing.assert_allclose(gap[h], v[5 - h][:, None] - q[5 - h], atol=1e-5)


def test_the_best_policy_has_no_regret_and_earns_its_value(tasks):
    best = lambda task, state, key: -task.gap[state.t % 5, state.s]
    _, _, outcome = _live(FAMILY, tasks, best)
    assert not outcome.score.loss.any()
    assert (outcome.score.metrics["accuracy"] == 1).all()
    earned = outcome.score.metrics["reward"].sum(axis=1) / 6
    value = np.asarray([_best(world, 5)[0][5, 0] for world in _worlds(tasks)])
    off = earned - value
    assert abs(off.mean()) < 4 * off.std() / np.sqrt(N_LIVES)
    # Control: greed for the next reward alone has a regret.
    greedy = _live(FAMILY, tasks, lambda task, state, key: task.pays[state.s])[2]
    assert greedy.score.loss.mean() > 1e-3


def test_the_losses_of_a_random_policy_sum_to_its_regret_in_closed_form(tasks, by_lot):
    regret = {}
    for horizon in (5, 6):
        worlds = _worlds(tasks)
        each = [
            _best(world, horizon)[0][-1, 0] - _value_of_lots(world, horizon) for world in worlds
        ]
        regret[horizon] = np.asarray(each)
    lost = by_lot[2].score.loss.sum(axis=1) / 6
    off, control = lost - regret[5], lost - regret[6]
    assert abs(off.mean()) < 4 * off.std() / np.sqrt(N_LIVES)
    assert regret[5].mean() > 0.5
    # Control: a walk of one more step has another regret.
    assert abs(control.mean()) > 4 * control.std() / np.sqrt(N_LIVES)


def test_states_and_rewards_are_as_frequent_as_the_world_says(tasks, by_lot):
    """Sums over all lives of what came less its probability, in standard errors."""
    seen, actions, outcome = by_lot
    states = seen.argmax(axis=2)
    assert (seen.sum(axis=2) == 1).all()
    assert (states[:, ::5] == 0).all()
    inner = np.arange(29) % 5 != 4  # the step after the last of a walk goes to the first state
    lives = np.arange(N_LIVES)[:, None]
    moved = tasks.moves[lives, states[:, :-1], actions[:, :-1], 1]
    for p, came in (
        (moved[:, inner], states[:, 1:][:, inner]),
        (tasks.pays[lives, states, actions], outcome.feedback.modulators["reward"]),
    ):
        error = np.sqrt(np.sum(p * (1 - p)))
        assert abs(np.sum(came - p)) < 4 * error
        assert abs(np.sum(came - 0.5 * (p + 0.6))) > 4 * error  # control: other chances
        # The chances of each life matter, not their mean alone.
        assert np.corrcoef(p.ravel(), came.ravel())[0, 1] > 0.3


def test_with_one_state_it_is_a_bandit():
    family = MarkovDecision(n_states=1, n_actions=3, n_trials=4, trial_steps=1)
    tasks = _draw(family, 20)
    expected = tasks.pays.max(axis=2, keepdims=True) - tasks.pays
    np.testing.assert_allclose(tasks.gap[:, 0], expected, atol=1e-6)


def test_the_better_of_two_dependent_arms_may_be_fixed():
    arms = _draw(Bandit(arms="dependent", better=0.75), 60)
    np.testing.assert_allclose(np.sort(arms, axis=1), np.tile([0.25, 0.75], (60, 1)), rtol=1e-6)
    assert 10 < np.sum(arms[:, 0] > 0.5) < 50
    # By lot, half of all pulls are of the worse arm: a regret of 0.5 / 2 in each.
    family = Bandit(arms="dependent", better=0.75, n_steps=100)
    loss = _live(family, arms, lambda task, state, key: jnp.zeros(2))[2].score.loss
    assert abs(loss.mean() - 0.25) < 4 * 0.25 / np.sqrt(loss.size)


def test_an_informative_arm_names_the_best_one_at_its_price():
    """It and then the best arm i (from 0) lose 1 - (i + 1) / 50; a search in order loses 0.8 i."""
    family = Bandit(n_arms=11, arms="informative", n_steps=12)
    tasks = _draw(family, 300)
    best = tasks[:, :10].argmax(axis=1)
    assert set(best) == set(range(10))
    np.testing.assert_allclose(tasks[:, 10], 0.02 * (best + 1), rtol=1e-6)
    assert (np.sort(tasks[:, :10], axis=1) == np.asarray([0.2] * 9 + [1.0], np.float32)).all()

    def asks(task: Any, t: Any, key: Any) -> Any:
        told = jnp.round(task[10] * 50.0).astype(jnp.int32) - 1
        return jax.nn.one_hot(jnp.where(t == 0, 10, told), 11)

    def searches(task: Any, t: Any, key: Any) -> Any:
        return jax.nn.one_hot(jnp.minimum(t, jnp.argmax(task[:10])), 11)

    asked, searched = (_live(family, tasks, p)[2] for p in (asks, searches))
    np.testing.assert_allclose(asked.score.loss.sum(axis=1), 1 - (best + 1) / 50, rtol=1e-5)
    np.testing.assert_allclose(searched.score.loss.sum(axis=1), 0.8 * best, atol=1e-5)
    pay = asked.feedback.modulators["reward"]
    np.testing.assert_allclose(pay + asked.score.loss, 1.0, rtol=1e-6)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"better": 0.9}, "better=0.9 with independent arms"),
        ({"better": 0.2, "arms": "dependent"}, "better=0.2 - expected 0, or"),
        ({"arms": "informative"}, "n_arms=2 with informative arms"),
    ],
)
def test_arms_that_do_not_fit_are_refused(fields, words):
    with pytest.raises(ValueError, match=words):
        Bandit(**fields)
