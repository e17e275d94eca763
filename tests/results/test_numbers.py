"""Every number is written as in earlier versions, character for character."""

import math

import pytest

from metaplast.results import numbers
from metaplast.results.statistics import Estimate


@pytest.mark.parametrize(
    ("value", "form", "expected"),
    [
        (0.01234567, ".4g", "0.01235"),
        (123456.0, ".4g", "1.235e+05"),
        (0.5, "+.4g", "+0.5"),
        (-0.25, "+.3f", "-0.250"),
        (2.0, ".3g", "2"),
        (None, ".4g", "not finite"),
        (math.inf, ".3g", "not finite"),
        (math.nan, ".3g", "not finite"),
    ],
)
def test_a_number(value, form, expected):
    assert numbers.number(value, form) == expected


def test_a_measurement_may_be_missing_or_infinite():
    assert numbers.measured(0.1234) == "0.12"
    assert numbers.measured(math.nan) == "none"
    assert numbers.measured(math.inf) == "inf"
    assert numbers.with_error(0.98, 0.021) == "0.98 +- 0.021"
    assert numbers.with_error(0.98, math.nan) == "0.98"
    assert [numbers.share(0.253), numbers.share(math.nan)] == ["25%", "none"]
    assert numbers.per_second(0.02, 0.1) == "+0.02 a step, +0.2 a second"
    assert numbers.per_second(math.nan, 0.1) == "none"


def test_an_interval():
    assert numbers.interval([0.1, 0.25], ".3f") == "[0.100, 0.250]"
    assert numbers.interval([None, 2.0]) == "[not finite, 2]"
    assert numbers.percent([-0.015, 1.2]) == "[-1.5, +120] %"


@pytest.mark.parametrize(
    ("values", "expected"),
    [([0.5, 0.01], ".3f"), ([0.01], ".3g"), ([1e3], ".3g"), ([None], ".3f"), ([0.05], ".3f")],
)
def test_the_format_of_a_column(values, expected):
    assert numbers.table_form(values) == expected


def test_plain_values_as_text():
    value = {"seed": 3, "lr": 0.0123456, "of": [1.0, None, "x"], "on": True}
    assert numbers.text(value) == "seed 3, lr 0.01235, of [1, not finite, x], on True"


def test_numbers_in_json_have_six_digits_and_null_where_not_finite():
    assert numbers.json_number(1.23456789) == 1.23457
    assert numbers.json_tree({"a": [math.nan, 2.0]}) == {"a": [None, 2.0]}
    estimate = Estimate(1.0, math.nan, math.nan, 1)
    assert numbers.rounded(estimate) == numbers.RoundedEstimate(1.0, numbers.Bounds(None, None), 1)
