"""The features of misses in the history null, by hand and on animals whose habit is known."""

import numpy as np
import pytest
from scipy.special import expit

from metaplast.fitting.deviance import deviances, explained
from metaplast.fitting.history import last_seen, missed, unit_features
from metaplast.fitting.nulls import history_glm, mean_null
from metaplast.likelihoods.bernoulli import Bernoulli
from metaplast.likelihoods.categorical import Categorical
from tests.fitting.test_nulls import session

ONE = np.array([0])


def test_a_miss_is_told_from_the_value_0_and_from_the_end():
    seen = np.array([[1, 0, 0, 1, 1, 0, 0]])[:, :, None]
    np.testing.assert_array_equal(missed(seen)[0, :, 0], [0, 1, 1, 0, 0, 0, 0])
    np.testing.assert_array_equal(last_seen(seen, 1)[0, :, 0], [-1, 0, 0, 0, 3, 4, 4])
    np.testing.assert_array_equal(last_seen(seen, 2)[0, :, 0], [-1, -1, -1, -1, 0, 3, 3])


def test_features_beyond_a_miss_by_hand():
    """The features of y = 1, -, -, 0, 1 with m = 10, 20, ... and one lag.

    They are y(t-1) and y(t-1) m(t-1), then the miss and the rest of the last value.
    """
    y = np.array([1.0, 0, 0, 0, 1]).reshape(1, 5, 1)
    m = 10.0 * np.arange(1.0, 6.0).reshape(1, 5)
    seen = np.array([1, 0, 0, 1, 1]).reshape(1, 5, 1)
    s = session(y, seen, np.zeros((1, 5, 1)), reward=m)
    expected = [  # y, y m, missed, y_1 - y, m_1 - m, y_1 m_1 - y m
        [0, 0, 0, 0, 0, 0],
        [1, 10, 0, 0, 0, 0],
        [0, 0, 1, 1, 10 - 20, 10],
        [0, 0, 1, 1, 10 - 30, 10],
        [0, 0, 0, 0, 0, 0],
    ]
    np.testing.assert_array_equal(unit_features(s, seen, 1, ONE, gaps=True)[0, :, 0], expected)
    whole = unit_features(s, np.ones((1, 5, 1)), 2, ONE, gaps=True)[0, :, 0]
    np.testing.assert_array_equal(whole[:, 3:], 0)  # y(t-1), y(t-2), y(t-1) m(t-1) say it all


def _habit(share, every=1, n=30, n_steps=200):
    """Animals that repeat their last choice with P = sigmoid(2), whatever was missed between.

    Returns: choices, log odds and marks of recorded choices, each [n, n_steps, 1].
    """
    rng = np.random.default_rng(0)
    y = np.zeros((n, n_steps, 1))
    eta = np.zeros((n, n_steps, 1))
    seen = np.zeros((n, n_steps, 1))
    last = np.zeros(n)
    for t in range(n_steps):
        eta[:, t, 0] = 2.0 * last
        made = (rng.random(n) >= share) & (t % every == every - 1)
        chosen = rng.random(n) < expit(eta[:, t, 0])
        y[:, t, 0] = chosen * made
        seen[:, t, 0] = made
        last = np.where(made, np.where(chosen, 1.0, -1.0), last)
    return y, eta, seen


def _sessions(y, seen, share=1.0):
    """(train, validation): two thirds of the steps are of training."""
    trained = np.random.default_rng(1).random(y.shape[:2])[:, :, None] < 2 / 3
    x = np.random.default_rng(2).normal(size=(*y.shape[:2], 1))
    return session(y, seen * trained * share, x), session(y, seen * ~trained * share, x)


@pytest.mark.parametrize(("share", "every"), [(0.0, 1), (0.4, 1), (0.0, 7)])
def test_a_habit_is_found_whole_beyond_misses(share, every):
    """The null finds a habit also where choices stand on the last sample of a trial.

    Without the features beyond misses it would find nothing there.
    """
    y, eta, seen = _habit(share, every)
    train, validation = _sessions(y, seen)
    null = history_glm(Bernoulli(), train, validation, seen).predict(validation, seen)
    at_mean = mean_null(Bernoulli(), train).predict(validation, seen)
    mean = deviances(Bernoulli(), at_mean, validation)
    best = explained(deviances(Bernoulli(), eta, validation), mean)
    explained_share = explained(deviances(Bernoulli(), null, validation), mean)
    assert best > 0.4
    assert explained_share > best - 0.02


def test_a_miss_is_neither_option():
    """Misses read as choice 0 would make another null when the options change their names."""
    y, _, seen = _habit(0.4)
    renamed = (1.0 - y) * seen
    totals = []
    for values in (y, renamed):
        train, validation = _sessions(values, seen)
        null = history_glm(Bernoulli(), train, validation, seen).predict(validation, seen)
        totals.append(deviances(Bernoulli(), null, validation).sum())
    assert totals[0] == pytest.approx(totals[1], rel=2e-3)
    both = np.concatenate([renamed, y], axis=2)
    everyone = np.repeat(seen, 2, axis=2)
    train, validation = _sessions(both, everyone, share=0.5)
    null = history_glm(Categorical(), train, validation, everyone).predict(validation, everyone)
    assert deviances(Categorical(), null, validation).sum() == pytest.approx(totals[0], rel=2e-2)
