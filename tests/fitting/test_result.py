"""The result of a fit and fit.json: there and back, and files of earlier versions."""

import json
from dataclasses import replace
from typing import Any

import pytest

from metaplast.fitting.result import (
    Comparison,
    DirectionResult,
    FitResult,
    FitScore,
    IntervalsResult,
    ModelAdvice,
    Noise,
    NullResult,
    PartComparison,
    PathPoint,
    SettledResult,
    TermsPlace,
    TrueNumber,
    WeightScore,
    from_json,
    read_result,
    to_json,
    write_result,
)
from metaplast.results.numbers import Bounds
from metaplast.tasks import SPLITS
from tests.fitting._results import NO_LEAD, SCORES, fit_result, row_result, share


def _whole() -> FitResult:
    """A result in which every field holds something."""
    explained = {"mean": share(0.5, 0.4, 0.6)}
    parts = {"activity": PartComparison(explained, NO_LEAD, 0.4)}
    split_parts = {"activity": FitScore(0.5, 0.4)}
    row = row_result(
        noise=Noise(1.0, 2.0),
        path=[PathPoint(0.1, 2, 10.0, None, True)],
        splits={split: FitScore(1.0, None, split_parts) for split in SPLITS},
        weights={"edge": WeightScore(0.9, None)},
        comparison=Comparison(explained, NO_LEAD, parts),
    )
    direction = DirectionResult(0.1, False, {"a": 1.0})
    intervals = IntervalsResult(
        over="subjects",
        n=5,
        ci95={"a": Bounds(0.5, 1.5), "b": Bounds(None, None)},
        open=[{"a": 1.0}],
        settled=[SettledResult(1.0, Bounds(0.0, 2.0), {"a": 1.0})],
        separated=["b"],
        alone=["a"],
        swaps=[{"a": 0.5, "b": 0.5}],
        condition=3.0,
        directions=[direction],
        why="",
    )
    return fit_result(
        row,
        {"hebb": row_result()},
        nulls={"mean": NullResult("the mean", SCORES, Comparison(explained, NO_LEAD))},
        intervals=intervals,
        doubts=["a doubt"],
        advice=[ModelAdvice("constant", 0.3, "add a column")],
        truth=[TrueNumber("a", 1.0, 1.1, Bounds(0.5, 1.5), "recovered")],
        recover={"rule": "oja"},
        terms=TermsPlace("rules.recorded.rule", True),
        verdict=["Found."],
    )


@pytest.mark.parametrize("result", [_whole(), fit_result()], ids=["whole", "small"])
def test_a_result_is_read_back_as_it_was_written(result, tmp_path):
    write_result(tmp_path, result)
    assert read_result(tmp_path) == result


def test_fit_json_has_the_keys_that_its_readers_know():
    plain = json.loads(json.dumps(to_json(_whole())))
    assert plain["schema"] == "metaplast.fit/1"
    row = plain["rows"]["discovered"]
    assert (row["sd"], row["residual_sd"]) == (1.0, 2.0)
    assert row["explained"]["mean"] == {"mean": 0.5, "ci95": [0.4, 0.6], "n": 5}
    assert row["minus_discovered"]["ci95"] == [0.0, 0.0]
    assert row["parts"]["activity"]["r2"] == 0.4
    assert row["splits"]["heldout"]["parts"]["activity"] == {"deviance": 0.5, "r2": 0.4}
    assert plain["nulls"]["mean"]["heldout"] == {"deviance": 1.0, "r2": 0.5}
    other = plain["rows"]["hebb"]
    assert not {"sd", "residual_sd", "parts"} & set(other)
    assert "truth" not in to_json(fit_result())


def test_a_fit_json_of_an_earlier_version_lacks_what_came_later():
    plain: dict[str, Any] = to_json(fit_result())
    for later in ("reading", "intervals", "advice", "recover", "terms", "verdict"):
        del plain[later]
    for later in ("failed", "unsettled"):
        del plain["bootstrap"][later]
    assert from_json(plain, "fit.json") == fit_result()


def test_a_result_without_refits_bounds_no_number():
    assert replace(fit_result(), bootstrap=None).number_bounds == {}
