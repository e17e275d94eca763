"""Intervals cover what they say they cover."""

import numpy as np
import pytest

from metaplast.inspection.statistics import bootstrap
from metaplast.inspection.table import gap_closed, scores


def test_one_split_agrees_with_the_normal_interval() -> None:
    values = np.random.default_rng(0).normal(2.0, 3.0, 900)
    estimate = bootstrap([values])
    half = 1.96 * values.std() / np.sqrt(900)
    assert estimate.mean == pytest.approx(values.mean())
    assert estimate.n == 900
    assert estimate.low == pytest.approx(values.mean() - half, abs=0.15 * half)
    assert estimate.high == pytest.approx(values.mean() + half, abs=0.15 * half)


def test_splits_that_differ_widen_the_interval() -> None:
    generator = np.random.default_rng(1)
    offsets = np.array([-1.0, -0.5, 0.0, 0.5, 1.0])
    groups = [generator.normal(offset, 0.1, 400) for offset in offsets]
    estimate = bootstrap(groups)
    half = 1.96 * offsets.std() / np.sqrt(5)
    assert estimate.high - estimate.low == pytest.approx(2 * half, rel=0.15)
    assert bootstrap([np.concatenate(groups)]).high < estimate.high


def test_nominal_coverage() -> None:
    generator = np.random.default_rng(2)
    inside = 0
    for seed in range(120):
        estimate = bootstrap([generator.normal(0.0, 1.0, 60)], seed)
        inside += estimate.low <= 0.0 <= estimate.high
    assert 0.88 <= inside / 120 <= 0.99


def test_differences_are_paired() -> None:
    lives = np.random.default_rng(3).normal(0.0, 10.0, 500)
    rows = {"discovered": [lives], "other": [lives + 0.5]}
    other = scores(rows, "accuracy", "discovered")[1]["minus_discovered"]
    assert other["mean"] == pytest.approx(0.5)
    assert other["ci95"] == pytest.approx([0.5, 0.5])


def test_lives_that_are_not_finite_are_counted_and_shown() -> None:
    entry = scores({"discovered": [np.array([1.0, np.nan, 2.0])]}, "loss", "discovered")[0]
    assert entry["not_finite"] == 1
    assert entry["mean"] is None


def test_gap_closed() -> None:
    rows = {"low": [np.full(4, 0.6)], "high": [np.full(4, 1.0)], "higher": [np.full(4, 0.8)], "mine": [np.full(4, 0.9)]}
    gap = gap_closed(rows, "low", ["high", "higher"], "mine", "accuracy")
    assert gap == {"from": "low", "to": "high", "share": 0.75}
    assert gap_closed(rows, "high", ["low"], "mine", "accuracy")["share"] is None
    losses = {name: [-values for values in groups] for name, groups in rows.items()}
    assert gap_closed(losses, "low", ["high", "higher"], "mine", "loss") == gap  # a loss is better when small
