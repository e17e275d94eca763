"""The numbers of a finished fit in a table, and the source of their intervals."""

from dataclasses import replace

from metaplast.fitting.page import interval_source
from metaplast.fitting.tables import number_lines
from metaplast.results.numbers import Bounds
from tests.fitting._results import bootstrap_result, fit_result, intervals_result, row_result

REFITS = bootstrap_result(refits=20, ci95={"a": Bounds(0.5, 1.5), "b": Bounds(None, None)})
OLD = fit_result(row_result(numbers={"a": 1.0, "b": 0.5, "c": None}), bootstrap=REFITS)
KNOWN = intervals_result()


def test_numbers_without_an_interval_are_not_determined_and_those_nobody_asked_of_have_none():
    assert number_lines(OLD) == [
        ("a", "1", "[0.5, 1.5]"),
        ("b", "0.5", "not determined"),
        ("c", "not finite", "-"),
    ]


def test_bars_say_where_they_come_from():
    assert interval_source(OLD) == "95 % of 20 refits to data drawn from the fitted rule"
    assert interval_source(replace(OLD, intervals=KNOWN)).endswith("whichever reaches further")
    alone = replace(OLD, intervals=KNOWN, bootstrap=bootstrap_result(refits=0))
    assert interval_source(alone) == "95 %, Student's t over 6 subjects"
    unknown = replace(OLD, intervals=replace(KNOWN, why="too many"))
    assert interval_source(unknown).startswith("95 % of 20 refits")
