"""The intervals in the text of a finished fit, also from the fit.json of an earlier version."""

from metaplast.fitting.page import _number_rows, _source

OLD = {
    "rows": {"discovered": {"numbers": {"a": 1.0, "b": 0.5, "c": None}}},
    "bootstrap": {"refits": 20, "ci95": {"a": [0.5, 1.5], "b": [None, None]}},
}


def test_numbers_without_an_interval_are_not_determined_and_those_nobody_asked_of_have_none():
    assert _number_rows(OLD) == [
        ("a", "1", "[0.5, 1.5]"),
        ("b", "0.5", "not determined"),
        ("c", "not finite", "-"),
    ]


def test_bars_say_where_they_come_from():
    assert _source(OLD) == "95 % of 20 refits to data drawn from the fitted rule"
    known = {"n": 6, "over": "subjects", "why": ""}
    assert _source({**OLD, "intervals": known}).endswith("whichever reaches further")
    assert (
        _source({"bootstrap": {"refits": 0}, "intervals": known})
        == "95 %, Student's t over 6 subjects"
    )
    assert _source({**OLD, "intervals": {**known, "why": "too many"}}).startswith(
        "95 % of 20 refits"
    )
