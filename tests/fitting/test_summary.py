"""What a fit says of itself: verdicts on a known truth, and reasons to doubt, each where it is due
and only there.
"""

import copy
from typing import Any

import numpy as np
import pytest

from metaplast.fitting import certainty, summary
from metaplast.fitting.bootstrap import Bootstrap
from metaplast.fitting.geometry import Direction

ALL = ["a", "b", "c"]


def _row(**given: Any) -> dict[str, Any]:
    return {
        "note": "",
        "stable": True,
        "steps": 50,
        "starts": {"n": 3, "same": 3, "spread": 0.0},
        "explained": {"mean": {"mean": 0.5, "ci95": [0.4, 0.6], "n": 5}},
        "minus_discovered": {"mean": 0.0, "ci95": [0.0, 0.0], "n": 5},
        "searched": ALL,
        "numbers": {"a": 1.0},
        "loss": 0.3,
        "splits": {"heldout": {"deviance": 10.0}},
        "path": [],
        "diverged": 0,
        **given,
    }


GOOD = {"rows": {"discovered": _row()}, "bootstrap": {"directions": []}}


def _doubts(change: dict[str, Any], **more: Any) -> list[str]:
    fit: dict[str, Any] = {**copy.deepcopy(GOOD), **more}
    fit["rows"] = {"discovered": _row(**change), **more.get("rows", {})}
    return summary.doubts(fit, "discovered")


def test_a_sound_fit_is_not_doubted():
    assert _doubts({}) == []


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"stable": False}, "still moving after 50"),
        ({"starts": {"n": 3, "same": 2, "spread": 0.2}}, "2 of 3 starts"),
        ({"starts": {"n": 3, "same": 1, "spread": 0.0}}, "Only 1 of 3 starts"),
        (
            {"explained": {"mean": {"mean": 0.1, "ci95": [-0.1, 0.3], "n": 5}}},
            "[-0.100, 0.300]: it may be no better",
        ),
        (
            {"explained": {"mean": {"mean": -0.1, "ci95": [-0.3, 0.1], "n": 5}}},
            "[-0.300, 0.100]: it is no better here",
        ),
        (
            {"explained": {"mean": {"mean": -0.2, "ci95": [-0.3, -0.1], "n": 5}}},
            "[-0.300, -0.100]: it is worse",
        ),
        (
            {"explained": {"mean": {"mean": 0.1, "ci95": [None, None], "n": 1}}},
            "fewer than two held-out subjects have",
        ),
        ({"diverged": 4}, "4 lives"),
    ],
)
def test_every_doubt_has_its_cause(change: dict[str, Any], word: str):
    (said,) = _doubts(change)
    assert word in said


@pytest.mark.parametrize(
    "change",
    [
        {"starts": {"n": 1, "same": 1, "spread": 0.0}},  # one start was asked for
        {"starts": {"n": 1, "same": 1, "spread": 0.9}},
        {"starts": {"n": 3, "same": 2, "spread": 0.1}},
        {"explained": {"mean": {"mean": 0.1, "ci95": [0.001, 0.3], "n": 5}}},
        {"sd": 1.0, "residual_sd": 1.0},
    ],
)
def test_without_its_cause_there_is_no_doubt(change: dict[str, Any]):
    assert _doubts(change) == []


@pytest.mark.parametrize(
    ("n", "word"), [(2, "is not finite: the fitted network diverges"), (1, "fewer than two")]
)
def test_an_interval_that_is_missing_has_one_of_two_causes(n: int, word: str):
    diverged = {"splits": {"heldout": {"deviance": None}}}
    (said,) = _doubts(
        {"explained": {"mean": {"mean": None, "ci95": [None, None], "n": n}}, **diverged}
    )
    assert word in said


def test_a_null_model_without_fault_is_not_called_a_divergence():
    nulls = {"mean": {"heldout": {"deviance": 0.0}}}
    (said,) = _doubts(
        {"explained": {"mean": {"mean": None, "ci95": [None, None], "n": 0}}}, nulls=nulls
    )
    assert said.startswith(
        "Nothing is said against mean: mean predicts all that was held out without fault"
    )


@pytest.mark.parametrize(
    ("low", "told"), [(0.01, True), (0.0, False), (-0.1, False), (None, False)]
)
def test_a_family_that_explains_more_is_told_where_its_interval_says_so(
    low: float | None, told: bool
):
    ahead = {"mean": 0.02, "ci95": [low, 0.3], "n": 5}
    said = _doubts({}, rows={"mlp": _row(searched=[], minus_discovered=ahead)})
    assert ["The family mlp explains more: by 0.0200 of the deviance."] * told == said


def test_the_three_loosest_directions_are_told():
    loose = [{"sd": sd, "loose": True, "weights": {"a": 1.0}} for sd in (0.5, 0.4, 0.3, 0.2)]
    said = _doubts({}, bootstrap={"directions": loose})
    assert [f"(sd {sd})" in line for sd, line in zip(("0.5", "0.4", "0.3"), said, strict=True)] == [
        True
    ] * 3


def test_a_contained_family_must_not_be_better():
    inner = {"hebb": _row(searched=["a"], loss=0.2)}
    (said,) = _doubts({}, rows=inner)
    assert "hebb" in said and "search longer" in said
    for large in (100.0, -100.0):  # by a thousandth of the loss at least
        close = {"hebb": _row(searched=["a"], loss=large - 0.05)}
        assert _doubts({"loss": large}, rows=close) == []
        clear = {"hebb": _row(searched=["a"], loss=large - 0.2)}
        assert len(_doubts({"loss": large}, rows=clear)) == 1
    assert _doubts({}, rows={"hebb": _row(searched=["a"], loss=0.31)}) == []
    assert (
        _doubts({}, rows={"mlp": _row(searched=[], loss=0.2)}) == []
    )  # no list of terms: contained in nothing


def test_loose_directions_and_missing_intervals_are_told():
    loose = {"sd": 0.5, "loose": True, "weights": {"a": 0.7, "b": -0.7}}
    (said,) = _doubts({}, bootstrap={"directions": [loose, {**loose, "loose": False}]})
    assert "+0.70 a -0.70 b" in said
    (said,) = _doubts({}, bootstrap={"directions": [{**loose, "weights": {"a": -1.0}}]})
    assert said == "Hardly determined (sd 0.5): a."
    (said,) = _doubts({}, bootstrap=None)
    assert "fit.bootstrap" in said


def test_supports_that_are_as_good_are_told_by_their_size():
    option = {"strength": 0.1, "n_terms": 2, "deviance": 10.0, "error": 1.0, "chosen": True}
    alike = [option, {**option, "chosen": False}]  # the same set, left by two strengths
    assert _doubts({"path": alike}) == []
    others = [option, {**option, "n_terms": 5, "deviance": 9.5, "chosen": False}]
    (said,) = _doubts({"path": others})
    assert "of 5 numbers" in said
    assert (
        _doubts({"path": [option, {**option, "n_terms": 5, "deviance": 12.0, "chosen": False}]})
        == []
    )


def test_verdicts_on_a_known_truth():
    true = {"a": 1.0, "b": -2.0, "c": 0.0, "d": 0.5}
    fitted = {"a": 1.2, "b": -1.0, "c": 0.3, "e": 1e-6}
    told = {t["name"]: t["verdict"] for t in summary.recovered(true, fitted, {})}
    assert told == {"a": "recovered", "b": "off", "c": "false", "d": "missed"}


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
    (told,) = summary.recovered({"a": true}, {"a": fitted}, {"a": [0.0, 1.0]})
    assert told["verdict"] == verdict
    assert told["ci95"] == [0.0, 1.0]


def test_a_bootstrap_is_told_by_its_counts_intervals_and_five_loosest_directions():
    directions = [
        Direction({"a": 1.0, "b": float("nan")}, sd, sd > 3.0)
        for sd in (6.0, 5.0, 4.0, 3.0, 2.0, 1.0)
    ]
    refits = Bootstrap(
        ["a"], np.ones((7, 1)), {"a": (-1.0, np.inf)}, directions, {}, failed=2, unsettled=1
    )
    told = certainty.of_bootstrap(refits)
    assert told is not None and certainty.of_bootstrap(None) is None
    assert (told["refits"], told["failed"], told["unsettled"]) == (9, 2, 1)
    assert told["ci95"] == {"a": [-1.0, None]}
    assert [d["sd"] for d in told["directions"]] == [6.0, 5.0, 4.0, 3.0, 2.0]
    assert [d["loose"] for d in told["directions"]] == [True, True, True, False, False]
    assert told["directions"][0]["weights"] == {"a": 1.0, "b": None}


def test_numbers_that_are_not_finite_are_null():
    assert summary.finite(float("nan")) is None
    assert summary.finite(1.23456789) == pytest.approx(1.23457)
    assert np.isfinite(summary.finite(0.0))
