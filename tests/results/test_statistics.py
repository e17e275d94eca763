"""Intervals cover what they say they cover."""

import numpy as np
import pytest
from scipy import stats

from metaplast.results.statistics import binomial, bootstrap, estimate, student, t_quantile
from metaplast.results.summary import GapClosed
from metaplast.results.table import gap_closed, scores


def test_one_split_agrees_with_the_normal_interval() -> None:
    values = np.random.default_rng(0).normal(2.0, 3.0, 900)
    of_all = estimate([values])
    half = 1.96 * values.std() / np.sqrt(900)
    assert of_all.mean == pytest.approx(values.mean())
    assert of_all.n == 900
    assert of_all.low == pytest.approx(values.mean() - half, abs=0.15 * half)
    assert of_all.high == pytest.approx(values.mean() + half, abs=0.15 * half)


def test_splits_are_the_values_of_an_interval_over_splits() -> None:
    generator = np.random.default_rng(1)
    offsets = np.array([-1.0, -0.5, 0.0, 0.5, 1.0])
    groups = [generator.normal(offset, 0.1, 400) for offset in offsets]
    means = np.array([group.mean() for group in groups])
    of_all = estimate(groups)
    half = 2.7764 * means.std(ddof=1) / np.sqrt(5)  # of a printed table, 4 degrees of freedom
    assert of_all == pytest.approx(
        (means.mean(), means.mean() - half, means.mean() + half, 2000), rel=1e-4
    )
    assert estimate([np.concatenate(groups)]).high < of_all.high


def test_a_single_value_has_no_interval_and_two_have_the_widest() -> None:
    alone = student([0.1])
    assert np.isnan(alone.low) and np.isnan(alone.high)
    assert student([1.0, 3.0]) == pytest.approx((2.0, 2.0 - 12.7062, 2.0 + 12.7062, 2), rel=1e-4)


def test_an_interval_over_few_lives_is_student_s() -> None:
    values = np.array([0.2, 0.9, 0.4, 0.7])
    half = 3.1824463 * values.std(ddof=1) / 2
    assert estimate([values]) == pytest.approx((0.55, 0.55 - half, 0.55 + half, 4))
    assert np.isnan(estimate([values[:1]]).low)


def test_the_interval_of_one_split_lies_at_the_percentiles_of_a_bootstrap() -> None:
    """Of 0 and 1 in equal parts the mean of n draws is binomial: its percentiles are SciPy's, with
    2000 resamples to within 1.5 steps of 1 / n."""
    n = 400
    of_all = estimate([np.arange(n) % 2.0])
    low, high = stats.binom(n, 0.5).ppf([0.025, 0.975]) / n
    assert (of_all.low, of_all.high) == pytest.approx((low, high), abs=1.5 / n)


def test_an_interval_over_lives_is_that_of_seed_0_unless_said() -> None:
    values = np.random.default_rng(5).normal(size=50)
    assert (
        estimate([values])
        == estimate([values], seed=0)
        == bootstrap(values)
        == bootstrap(values, seed=0)
    )
    assert estimate([values]) != estimate([values], seed=1) == bootstrap(values, seed=1)


def test_the_default_level_is_95_percent() -> None:
    assert t_quantile(4) == t_quantile(4, 0.95)
    assert (
        student([1.0, 2.0, 4.0]) == student([1.0, 2.0, 4.0], 0.95) != student([1.0, 2.0, 4.0], 0.9)
    )


def test_the_number_of_resamples_is_the_published_one() -> None:
    """Two thousand: files of before have their intervals to the last digit."""
    values, generator = np.random.default_rng(3).normal(size=9), np.random.default_rng(0)
    means = [
        values[rows].mean()
        for rows in np.concatenate([generator.integers(9, size=(100, 9)) for _ in range(20)])
    ]
    assert (bootstrap(values).low, bootstrap(values).high) == tuple(
        np.quantile(means, [0.025, 0.975])
    )


@pytest.mark.parametrize(
    ("df", "level", "tabled"),
    [
        (1, 0.95, 12.7062),
        (4, 0.95, 2.77645),
        (10, 0.95, 2.22814),
        (200, 0.95, 1.97190),
        (255, 0.999, 3.3291),
    ],
)
def test_quantiles_of_t(df: int, level: float, tabled: float) -> None:
    assert t_quantile(df, level) == pytest.approx(tabled, rel=1e-4)


def test_coverage_over_five_splits_is_the_nominal_one_and_that_of_a_bootstrap_is_not() -> None:
    generator = np.random.default_rng(2)
    n, inside, resampled = 3000, 0, 0
    for _ in range(n):
        means = generator.normal(0.0, 1.0, 5)
        of_all = estimate([np.full(3, mean) for mean in means])
        inside += of_all.low <= 0.0 <= of_all.high
        draws = means[generator.integers(5, size=(400, 5))].mean(axis=1)
        low, high = np.quantile(draws, [0.025, 0.975])
        resampled += low <= 0.0 <= high
    assert inside / n == pytest.approx(0.95, abs=0.012)
    assert resampled / n == pytest.approx(0.83, abs=0.03)


def test_nominal_coverage_over_lives() -> None:
    generator = np.random.default_rng(2)
    inside = 0
    for seed in range(120):
        of_all = estimate([generator.normal(0.0, 1.0, 60)], seed)
        inside += of_all.low <= 0.0 <= of_all.high
    assert 0.88 <= inside / 120 <= 0.99


def test_differences_are_paired() -> None:
    lives = np.random.default_rng(3).normal(0.0, 10.0, 500)
    rows = {"discovered": [lives], "other": [lives + 0.5]}
    difference = scores(rows, "accuracy", "discovered")[1].difference
    assert difference.mean == pytest.approx(0.5)
    assert list(difference.ci95) == pytest.approx([0.5, 0.5])


def test_lives_that_are_not_finite_are_counted_and_shown() -> None:
    (score,) = scores({"discovered": [np.array([1.0, np.nan, 2.0])]}, "loss", "discovered")
    assert score.not_finite == 1
    assert score.mean is None


def test_gap_closed() -> None:
    rows = {
        "low": [np.full(4, 0.6)],
        "high": [np.full(4, 1.0)],
        "higher": [np.full(4, 0.8)],
        "mine": [np.full(4, 0.9)],
    }
    gap = gap_closed(rows, "low", ["high", "higher"], "mine", "accuracy")
    assert gap == GapClosed("low", "high", 0.75)
    assert gap_closed(rows, "high", ["low"], "mine", "accuracy").share is None
    losses = {name: [-values for values in groups] for name, groups in rows.items()}
    # A loss is better when small.
    assert gap_closed(losses, "low", ["high", "higher"], "mine", "loss") == gap


def test_clopper_pearson_is_that_of_tables() -> None:
    np.testing.assert_allclose(binomial(8, 10), (0.8, 0.4439, 0.9748, 10), atol=1e-4)
    np.testing.assert_allclose(binomial(0, 10), (0.0, 0.0, 0.3085, 10), atol=1e-4)
    # Newcombe 1998, Statistics in Medicine 17, 857, table I: 81 of 263.
    np.testing.assert_allclose(binomial(81, 263)[1:3], (0.2527, 0.3676), atol=5e-5)
    assert binomial(81, 263, tries=2).high > binomial(81, 263).high
