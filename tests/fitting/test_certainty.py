"""Intervals as results and in words, without ends where the data do not settle a number."""

import math

import numpy as np

from metaplast.fitting.between import between
from metaplast.fitting.bootstrap import Bootstrap
from metaplast.fitting.certainty import Certainty, bootstrap_result, intervals_result
from metaplast.fitting.doubts import interval_doubts, number_warnings
from metaplast.fitting.geometry import Direction, axes, echelon
from metaplast.fitting.intervals import NumberIntervals, Settled
from metaplast.fitting.result import IntervalsResult

KNOWN = NumberIntervals(
    names=["a", "b"],
    interval={"a": (0.1, 0.3), "b": (0.5, 0.9)},
    open=[],
    settled=[],
    separated=[],
    over="subjects",
    n=8,
    condition=4.0,
    directions=[Direction({"a": 1.0}, 0.1, False)],
    moves=[],
    why="",
)
UNKNOWN = (math.nan, math.nan)
OPEN = KNOWN._replace(
    interval={"a": UNKNOWN, "b": UNKNOWN},
    open=[{"a": 0.6, "b": -0.8}],
    settled=[Settled({"a": 1.0, "b": 0.75}, 2.0, 1.0, 3.0)],
)


def refits(**interval: tuple[float, float]) -> Bootstrap:
    return Bootstrap(
        list(interval), np.ones((200, len(interval))), interval, [], {}, failed=1, unsettled=0
    )


def result(known: NumberIntervals, drawn: Bootstrap | None = None) -> IntervalsResult:
    intervals = intervals_result(Certainty(known, drawn))
    assert intervals is not None
    return intervals


def test_a_sure_fit_is_not_doubted_and_refits_widen_its_intervals():
    plain = result(KNOWN)
    assert interval_doubts(plain) == [] == interval_doubts(None)
    assert plain.ci95 == {"a": (0.1, 0.3), "b": (0.5, 0.9)}
    wider = result(KNOWN, refits(a=(0.2, 0.4), b=(0.6, 0.8)))
    assert wider.ci95 == {"a": (0.1, 0.4), "b": (0.5, 0.9)}
    assert intervals_result(Certainty(None, None)) is None


def test_an_open_combination_is_named_and_its_numbers_have_no_interval_whatever_refits_say():
    plain = result(OPEN, refits(a=(0.2, 0.4), b=(0.6, 0.8)))
    assert plain.ci95 == {"a": (None, None), "b": (None, None)}
    flat, settled = interval_doubts(plain)
    assert (
        "+0.60 a -0.80 b is not settled by these data" in flat and "a, b have no interval" in flat
    )
    assert settled == "These data settle only +1.00 a +0.75 b: 2 [1, 3]."
    assert number_warnings(plain) == [flat]
    (one,) = interval_doubts(result(OPEN._replace(open=[{"a": 1.0}], settled=[])))
    assert one.startswith("a is not settled")


def test_separation_is_said_and_a_flat_number_of_it_is_not_said_twice():
    apart = OPEN._replace(separated=["a", "b"], open=[{"a": 1.0}], settled=[])
    (sentence,) = interval_doubts(result(apart))
    assert "a, b (separation)" in sentence and "no interval" in sentence


def test_one_subject_and_too_many_numbers_are_said():
    (sentence,) = interval_doubts(result(KNOWN._replace(over="values", n=300)))
    assert "Only one subject" in sentence and "300 values" in sentence
    silent = KNOWN._replace(names=[], interval={}, why="2000 numbers are fitted along")
    (sentence,) = interval_doubts(result(silent))
    assert "not known: 2000 numbers" in sentence and "fit.bootstrap=200" in sentence
    assert result(silent, refits(a=(0.2, 0.4))).ci95 == {"a": (0.2, 0.4)}


def test_a_number_of_one_subject_is_said():
    (sentence,) = interval_doubts(result(KNOWN._replace(alone=("b",))))
    assert sentence.startswith(
        "The data of one subject alone settle b: the others say nothing of it"
    )


def test_the_old_key_of_fit_json_holds_the_intervals_that_count():
    plain = result(OPEN)
    old = bootstrap_result(None, plain)
    assert old is not None
    assert (old.refits, old.failed, old.unsettled) == (0, 0, 0)
    assert old.ci95 == plain.ci95 and old.directions == plain.directions
    counted = bootstrap_result(refits(a=(0.2, 0.4)), plain)
    assert counted is not None and counted.refits == 201 and counted.ci95 == plain.ci95


def test_a_bootstrap_is_told_by_its_counts_intervals_and_five_loosest_directions():
    directions = []
    for sd in (6.0, 5.0, 4.0, 3.0, 2.0, 1.0):
        directions.append(Direction({"a": 1.0, "b": float("nan")}, sd, loose=sd > 3.0))
    drawn = Bootstrap(
        ["a"], np.ones((7, 1)), {"a": (-1.0, np.inf)}, directions, {}, failed=2, unsettled=1
    )
    result = bootstrap_result(drawn)
    assert result is not None and bootstrap_result(None) is None
    assert (result.refits, result.failed, result.unsettled) == (9, 2, 1)
    assert result.ci95 == {"a": (-1.0, None)}
    assert [d.sd for d in result.directions] == [6.0, 5.0, 4.0, 3.0, 2.0]
    assert [d.loose for d in result.directions] == [True, True, True, False, False]
    assert result.directions[0].weights == {"a": 1.0, "b": None}


def test_echelon_spans_the_same_with_more_zeros():
    rng = np.random.default_rng(0)
    sparse = np.array([[1.0, -1.0, 0.0, 0.0], [0.0, 0.0, 2.0, 1.0]])
    mixed = rng.normal(size=(5, 2)) @ sparse
    basis = np.stack(echelon(mixed))
    assert basis.shape == (2, 4) and np.sum(basis != 0) == 4
    np.testing.assert_allclose(np.linalg.norm(basis, axis=1), 1.0)
    np.testing.assert_allclose(mixed - mixed @ np.linalg.pinv(basis) @ basis, 0.0, atol=1e-9)
    assert echelon(np.zeros((3, 4))) == [] == echelon(np.zeros((0, 4)))
    assert axes([], np.zeros((0, 0)), np.zeros(0)) == []


def test_the_mean_over_animals_is_the_textbook_s_random_effects():
    """Equal variances: tau^2 = s^2 - v, the mean is plain, and so is its t interval."""
    values = np.array([0.1, 0.9, 0.4, 1.6])
    v = np.full(4, 0.05)
    mean, half = between(values, v)
    assert np.isclose(mean, values.mean()) and np.isclose(half, 3.1824463 * values.std(ddof=1) / 2)
    assert np.isnan(between(values, np.full(4, 5.0))).all()  # they differ by no more than chance
    assert np.isnan(between(values[:2], v[:2])).all()
    with_missing = between(np.append(values, np.nan), np.append(v, 0.05))
    np.testing.assert_allclose(with_missing, (mean, half))
    uneven = np.array([0.01, 0.2, 0.05, 0.1])
    tau2 = _tau2(values, uneven)
    w = 1 / (uneven + tau2)
    assert np.isclose(between(values, uneven)[0], np.sum(w * values) / np.sum(w))


def _tau2(b: np.ndarray, v: np.ndarray) -> float:
    total = sum(1 / x for x in v)
    pooled = sum(y / x for y, x in zip(b, v, strict=True)) / total
    q = sum((y - pooled) ** 2 / x for y, x in zip(b, v, strict=True))
    return (q - 3) / (total - sum(1 / x**2 for x in v) / total)
