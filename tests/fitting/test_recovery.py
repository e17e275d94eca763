"""Verdicts on numbers whose truth is known."""

import pytest

from metaplast.fitting.recovery import recovered
from metaplast.results.numbers import Bounds


def test_verdicts_on_a_known_truth():
    true = {"a": 1.0, "b": -2.0, "c": 0.0, "d": 0.5}
    fitted = {"a": 1.2, "b": -1.0, "c": 0.3, "e": 1e-6}
    verdicts = {number.name: number.verdict for number in recovered(true, fitted, {})}
    assert verdicts == {"a": "recovered", "b": "off", "c": "false", "d": "missed"}


@pytest.mark.parametrize(
    ("true", "fitted", "verdict"),
    [
        (4.0, 4.9, "recovered"),
        (4.0, 5.1, "off"),
        (-4.0, -3.1, "recovered"),
        (0.1, 0.122, "recovered"),
        (0.1, 0.13, "off"),
    ],
)
def test_a_number_within_a_quarter_of_the_truth_is_recovered(
    true: float, fitted: float, verdict: str
):
    (number,) = recovered({"a": true}, {"a": fitted}, {"a": Bounds(0.0, 1.0)})
    assert number.verdict == verdict
    assert number.ci95 == (0.0, 1.0)
