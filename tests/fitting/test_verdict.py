"""The words of a verdict."""

from dataclasses import replace
from typing import Any

import pytest

from metaplast.fitting.result import Advice, Bounds, FitResult, IntervalsResult
from metaplast.fitting.verdict import verdict
from tests.fitting._results import bootstrap_result, fit_result, row_result, share

REFITS = bootstrap_result(ci95={"pre": Bounds(0.9, 1.1), "post": Bounds(-0.5, 0.1)})


def _fit(low: float, high: float, **changes: Any) -> FitResult:
    """A fit that explains between `low` and `high` of the harder of two nulls."""
    explained = {
        "mean": share(0.5, 0.4, 0.6, n=3),
        "glm_history": share((low + high) / 2, low, high, n=3),
    }
    fields = {"numbers": {"pre": 1.0, "post": -0.2}, **changes}
    return fit_result(row_result(explained, **fields), bootstrap=REFITS)


@pytest.mark.parametrize(
    ("low", "high", "begins"),
    [
        (0.1, 0.3, "Found: the rule explains 0.200 of the deviance that glm_history leaves"),
        (-0.1, 0.3, "Not settled: over 3 held out, the rule is not told apart from glm_history."),
        (-0.3, -0.1, "Not found: the rule is worse than glm_history."),
        (-0.3, 0.1, "Not found: the rule is no better than glm_history."),
    ],
)
def test_a_verdict_is_about_the_hardest_null(low, high, begins):
    assert verdict(_fit(low, high))[0].startswith(begins)


def test_a_verdict_counts_the_numbers_that_are_settled():
    assert verdict(_fit(0.1, 0.3))[1].startswith("1 of its 2 numbers")
    alone = verdict(_fit(0.1, 0.3, numbers={"pre": 1.0}))
    assert alone[1] == "Its one number, of pre, has an interval that leaves out 0."
    moving = verdict(_fit(0.1, 0.3, stable=False))
    assert moving[1] == "Its numbers are not settled: they were still moving when the search ended."
    assert moving[-1].startswith("Next: raise outer.steps")


def test_a_verdict_names_the_family_that_is_better():
    fit = _fit(0.1, 0.3)
    other = row_result(fit.discovered.explained, lead=share(0.1, 0.05, 0.2, n=3))
    fit = replace(fit, rows={**fit.rows, "other": other})
    assert "other explains 0.100 more" in " ".join(verdict(fit))


def test_a_verdict_ends_with_the_advice():
    advice = Advice("constant", 0.72, "A constant input would explain 72 %.")
    fit = replace(_fit(-0.3, -0.1), advice=[advice])
    assert verdict(fit)[-1] == "Next: A constant input would explain 72 %."


def test_numbers_that_the_data_leave_open_are_not_settled():
    opened = [{"pre": 0.7, "pre^2": -0.7}]
    intervals = IntervalsResult("subjects", 3, {}, opened, [], [], [], None, [], "")
    assert (
        verdict(replace(_fit(0.1, 0.3), intervals=intervals))[1]
        == "Its numbers are not settled: the data leave combinations of them open."
    )


def test_an_interval_that_is_too_wide_asks_for_more_subjects():
    assert "task.held.subjects" in verdict(_fit(-0.1, 0.3))[-1]
