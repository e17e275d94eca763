"""Deviances against textbook formulas, intervals against a plain loop over subjects."""

from typing import Any

import numpy as np
import pytest
from scipy import stats
from scipy.special import softmax

from metaplast.fitting.deviance import deviances, difference_ci, explained, explained_ci, r2
from metaplast.likelihoods.bernoulli import Bernoulli
from metaplast.likelihoods.categorical import Categorical
from metaplast.likelihoods.gaussian import Gaussian
from metaplast.likelihoods.poisson import Poisson
from metaplast.recording import Session

RNG = np.random.default_rng(0)


def session(target, observed):
    n, n_steps = target.shape[:2]
    zeros = np.zeros((n, n_steps))
    fields: dict[str, Any] = {
        "stimulus": zeros[:, :, None],
        "gate": zeros,
        "reset": zeros,
        "subject": np.arange(n),
        "share": np.ones(n),
        "target": np.asarray(target, np.float32),
        "observed": np.asarray(observed, np.float32),
    }
    return Session(**fields, modulators={}, weights={}, final={})


def test_deviances_are_those_of_the_textbook():
    shape = (2, 5, 3)
    a = RNG.normal(size=shape)
    keep = RNG.random(shape) < 0.7
    y = RNG.integers(0, 2, shape)
    deviance = deviances(Bernoulli(), a, session(y, keep))
    assert deviance.dtype == np.float64
    expected = -2 * (keep * stats.bernoulli.logpmf(y, 1 / (1 + np.exp(-a)))).sum(axis=(1, 2))
    np.testing.assert_allclose(deviance, expected, rtol=1e-12)
    counts = RNG.poisson(2.0, shape)
    best = stats.poisson.logpmf(counts, np.maximum(counts, 1e-300))
    expected = 2 * (keep * (best - stats.poisson.logpmf(counts, np.exp(a)))).sum(axis=(1, 2))
    np.testing.assert_allclose(
        deviances(Poisson(), np.exp(a), session(counts, keep)), expected, rtol=1e-11
    )
    graded = RNG.normal(size=shape).astype(np.float32)
    expected = (keep * ((graded - a) / 0.5) ** 2).sum(axis=(1, 2))
    np.testing.assert_allclose(
        deviances(Gaussian(sd=0.5), a, session(graded, keep)), expected, rtol=1e-12
    )


def test_a_whole_choice_counts_once():
    a = RNG.normal(size=(2, 4, 3))
    chosen = RNG.integers(0, 3, (2, 4))
    keep = RNG.random((2, 4)) < 0.7
    observed = np.repeat(keep[:, :, None], 3, axis=2) / 3
    probability = np.take_along_axis(softmax(a, axis=2), chosen[:, :, None], 2)[..., 0]
    expected = -2 * np.sum(keep * np.log(probability), axis=1)
    deviance = deviances(Categorical(), a, session(np.eye(3)[chosen], observed))
    np.testing.assert_allclose(deviance, expected, rtol=1e-6)  # a share of 1/3 in single precision


def test_small_residuals_are_not_lost_in_single_precision():
    y = np.full((1, 1, 1), 1000.0)
    assert deviances(Gaussian(), y + 1e-6, session(y, y > 0)) == pytest.approx([1e-12], rel=1e-3)


@pytest.mark.parametrize("likelihood", [Gaussian(), Bernoulli(), Poisson(), Categorical()])
def test_what_is_missing_counts_for_nothing(likelihood):
    y = np.tile([0.0, 1.0], (2, 4, 1))
    keep = np.ones((2, 4, 2))
    keep[:, 2:] = 0.0
    a = RNG.random((2, 4, 2)) + 0.1
    expected = deviances(likelihood, a, session(y, keep))
    spoilt_a = np.where(keep > 0, a, np.nan)
    spoilt_y = np.where(keep > 0, y, np.nan)
    np.testing.assert_array_equal(
        deviances(likelihood, spoilt_a, session(spoilt_y, keep)), expected
    )
    a[0, 0] = np.nan
    deviance = deviances(likelihood, a, session(y, keep))
    assert np.isnan(deviance[0]) and deviance[1] == expected[1]


def _loop(a, b, null, subject, seed):
    """Draw subjects one by one and add up their sessions."""
    rng = np.random.default_rng(seed)
    ids = np.unique(subject)
    draws = []
    for _ in range(2000):
        drawn = ids[rng.integers(len(ids), size=len(ids))]
        rows = np.concatenate([np.flatnonzero(subject == s) for s in drawn])
        total = null[rows].sum()
        draws.append((1 - a[rows].sum() / total) - (1 - b[rows].sum() / total))
    return np.percentile(draws, [2.5, 97.5])


def test_intervals_over_ten_subjects_are_those_of_a_plain_loop():
    subject = np.array([4, 4, 1, 2, 2, 2, 9, 7, 11, 12, 13, 14, 15])
    null, a, b = RNG.random((3, 13)) + np.array([[2.0], [1.0], [0.5]])
    estimate = explained_ci(a, null, subject, seed=3)
    assert estimate.mean == pytest.approx(1 - a.sum() / null.sum()) == explained(a, null)
    assert estimate.n == 10
    np.testing.assert_allclose(estimate[1:3], _loop(a, null, null, subject, 3), rtol=1e-9)
    estimate = difference_ci(a, b, null, subject, seed=4)
    assert (
        estimate.mean == pytest.approx(explained(a, null) - explained(b, null)) and estimate.n == 10
    )
    np.testing.assert_allclose(estimate[1:3], _loop(a, b, null, subject, 4), rtol=1e-9)


def test_over_fewer_than_ten_subjects_an_interval_is_student_s():
    """Over few subjects, the interval is Student's t.

    With nulls that are all alike, `explained` is a plain mean over subjects, whose t interval is in
    every textbook. With other nulls, subjects are left out one by one.
    """
    a = np.array([0.2, 0.5, 0.1, 0.4, 0.3])
    estimate = explained_ci(np.repeat(a, 2), np.ones(10), np.repeat(np.arange(5), 2))
    half = 2.7764451 * a.std(ddof=1) / np.sqrt(5)
    assert estimate == pytest.approx((0.7, 0.7 - half, 0.7 + half, 5))
    null = np.array([1.0, 2.0, 1.5, 3.0, 1.2])
    estimate = explained_ci(a, null, np.arange(5))
    without = [explained(np.delete(a, i), np.delete(null, i)) for i in range(5)]
    half = 2.7764451 * np.sqrt(4 / 5 * np.sum((np.asarray(without) - np.mean(without)) ** 2))
    assert (estimate.high - estimate.low) / 2 == pytest.approx(half, rel=1e-6)


def test_a_difference_is_paired():
    null, a = RNG.random((2, 6)) + 1.0
    estimate = difference_ci(a, a + 0.1 * null, null, np.arange(6))
    assert estimate[:3] == pytest.approx((0.1, 0.1, 0.1))


def test_no_interval_is_invented():
    one = explained_ci(np.array([1.0, 2.0]), np.array([4.0, 4.0]), np.array([5, 5]))
    assert one.mean == pytest.approx(5 / 8) and one.n == 1 and np.isnan(one[1:3]).all()
    # nothing was seen of subject 1
    empty = explained_ci(np.array([1.0, 0.0]), np.array([4.0, 0.0]), np.array([0, 1]))
    assert empty.n == 1 and np.isnan(empty[1:3]).all()
    assert np.isnan(explained(np.zeros(2), np.zeros(2)))
    nothing = explained_ci(np.zeros(2), np.zeros(2), np.arange(2))
    assert nothing.n == 0 and np.isnan(nothing[:3]).all()


@pytest.mark.parametrize("lost", [np.nan, np.inf])
def test_a_model_that_diverged_explains_nothing_and_warns_nobody(lost):
    estimate = explained_ci(np.array([1.0, lost, 1.0]), np.ones(3), np.arange(3))
    assert not np.isfinite(estimate.mean) and not estimate.low > -np.inf


def test_r2_against_a_loop():
    y = RNG.normal(size=(2, 6, 3))
    p = RNG.normal(size=(2, 6, 3))
    keep = RNG.random((2, 6, 3)) < 0.6
    wrong = 0.0
    total = 0.0
    for j in range(3):
        seen = y[..., j][keep[..., j]]
        guess = p[..., j][keep[..., j]]
        wrong += np.sum((seen - guess) ** 2)
        total += np.sum((seen - seen.mean()) ** 2)
    spoilt = np.where(keep, p, np.nan)
    assert r2(spoilt, np.where(keep, y, np.nan), keep) == pytest.approx(1 - wrong / total)
    assert np.isnan(r2(p, np.full_like(y, 0.1), keep)) and np.isnan(r2(p, y, np.zeros_like(y)))
