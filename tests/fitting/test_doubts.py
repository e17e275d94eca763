"""Reasons to doubt a fit, each where it is due and only there."""

from typing import Any

import pytest

from metaplast.fitting.doubts import doubts
from metaplast.fitting.result import (
    DirectionResult,
    FitScore,
    Noise,
    PathPoint,
    RowResult,
    StartAgreement,
    TermsPlace,
)
from tests.fitting._results import (
    SCORES,
    bootstrap_result,
    fit_result,
    null_result,
    row_result,
    share,
)

LOOSE = DirectionResult(0.5, True, {"a": 0.7, "b": -0.7})
CHOSEN = PathPoint(strength=0.1, n_terms=2, deviance=10.0, error=1.0, chosen=True)


def _doubts(change: dict[str, Any], families: dict[str, RowResult] | None = None) -> list[str]:
    return doubts(fit_result(row_result(**change), families))


def test_a_sound_fit_is_not_doubted():
    assert _doubts({}) == []


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"stable": False}, "still moving after 50"),
        ({"starts": StartAgreement(n=3, same=2, spread=0.2)}, "2 of 3 starts"),
        ({"starts": StartAgreement(n=3, same=1, spread=0.0)}, "Only 1 of 3 starts"),
        (
            {"explained": {"mean": share(0.1, -0.1, 0.3)}},
            "[-0.100, 0.300]: it may be no better",
        ),
        (
            {"explained": {"mean": share(-0.1, -0.3, 0.1)}},
            "[-0.300, 0.100]: it is no better here",
        ),
        ({"explained": {"mean": share(-0.2, -0.3, -0.1)}}, "[-0.300, -0.100]: it is worse"),
        (
            {"explained": {"mean": share(0.1, None, None, n=1)}},
            "fewer than two held-out subjects have",
        ),
        ({"noise": Noise(1.0, 2.0)}, "task.likelihood.units.sd=2"),
        ({"diverged": 4}, "4 lives"),
    ],
)
def test_every_doubt_has_its_cause(change: dict[str, Any], word: str):
    (sentence,) = _doubts(change)
    assert word in sentence


@pytest.mark.parametrize(
    "change",
    [
        {"starts": StartAgreement(n=1, same=1, spread=0.0)},  # one start was asked for
        {"starts": StartAgreement(n=1, same=1, spread=0.9)},
        {"starts": StartAgreement(n=3, same=2, spread=0.1)},
        {"explained": {"mean": share(0.1, 0.001, 0.3)}},
        {"noise": Noise(1.0, 1.0)},
    ],
)
def test_without_its_cause_there_is_no_doubt(change: dict[str, Any]):
    assert _doubts(change) == []


@pytest.mark.parametrize(
    ("n", "word"), [(2, "is not finite: the fitted network diverges"), (1, "fewer than two")]
)
def test_an_interval_that_is_missing_has_one_of_two_causes(n: int, word: str):
    diverged = {"splits": {**SCORES, "heldout": FitScore(None, None)}}
    (sentence,) = _doubts({"explained": {"mean": share(None, None, None, n=n)}, **diverged})
    assert word in sentence


def test_a_null_model_without_fault_is_not_called_a_divergence():
    row = row_result({"mean": share(None, None, None, n=0)})
    (sentence,) = doubts(fit_result(row, nulls={"mean": null_result(0.0)}))
    assert sentence.startswith(
        "Nothing is said against mean: mean predicts all that was held out without fault"
    )


@pytest.mark.parametrize(
    ("low", "is_ahead"), [(0.01, True), (0.0, False), (-0.1, False), (None, False)]
)
def test_a_family_that_explains_more_is_told_where_its_interval_says_so(
    low: float | None, is_ahead: bool
):
    family = row_result(searched=[], lead=share(0.02, low, 0.3))
    expected = ["The family mlp explains more: by 0.0200 of the deviance."] if is_ahead else []
    assert _doubts({}, {"mlp": family}) == expected


def test_a_contained_family_must_not_be_better():
    (sentence,) = _doubts({}, {"hebb": row_result(searched=["a"], loss=0.2)})
    assert "hebb" in sentence and "search longer" in sentence
    for large in (100.0, -100.0):  # by a thousandth of the loss at least
        close = row_result(searched=["a"], loss=large - 0.05)
        assert _doubts({"loss": large}, {"hebb": close}) == []
        clear = row_result(searched=["a"], loss=large - 0.2)
        assert len(_doubts({"loss": large}, {"hebb": clear})) == 1
    assert _doubts({}, {"hebb": row_result(searched=["a"], loss=0.31)}) == []
    no_terms = row_result(searched=[], loss=0.2)  # contained in nothing
    assert _doubts({}, {"mlp": no_terms}) == []
    assert len(_doubts({}, {"no_plasticity": no_terms})) == 1  # contained in everything


def test_terms_that_the_penalty_dropped_are_to_be_fitted_and_no_search_is_to_be_longer():
    kept = {"searched": ["post", "pre", "pre*post"], "numbers": {"post": 1.0}, "path": [CHOSEN]}
    hebb = row_result(searched=["pre*post"], numbers={"pre*post": 2.0}, loss=0.2)
    (sentence,) = _doubts(kept, {"hebb": hebb})
    assert sentence.endswith(
        "the penalty dropped pre*post. Fit its terms: 'rule.terms=[pre*post]'."
    )
    assert "longer" not in sentence
    rows = {"hebb": hebb}
    place = TermsPlace("rules.first.rule", initial=True)
    (sentence,) = doubts(fit_result(row_result(**kept), rows, terms=place))
    assert sentence.endswith(
        "Fit its terms: 'rules.first.rule.terms=[pre*post]' 'rules.first.rule.initial=[]'."
    )
    (sentence,) = doubts(fit_result(row_result(**kept), rows, terms=TermsPlace("")))
    assert sentence.endswith("the penalty dropped pre*post. Fit its terms alone.")
    (sentence,) = _doubts({**kept, "path": []}, {"hebb": hebb})
    assert sentence.endswith("search longer.")


def test_one_doubt_about_all_nulls_is_one_sentence():
    level = {"mean": share(0.1, -0.1, 0.3, n=2), "glm_history": share(0.2, -0.5, 0.9, n=2)}
    (sentence,) = _doubts({"explained": level})
    assert sentence == (
        "Against mean the rule explains 0.100 of the deviance [-0.100, 0.300], against "
        "glm_history 0.200 [-0.500, 0.900]: it may be no better on subjects it has not seen "
        "(over 2 held out: raise task.held.subjects, or record more)."
    )
    alone = {"mean": share(0.1, None, None, n=1), "glm_history": share(0.2, None, None, n=1)}
    (sentence,) = _doubts({"explained": alone})
    assert sentence.startswith("No interval against mean, glm_history: fewer than two held-out")


def test_the_three_loosest_directions_are_told():
    loose = [DirectionResult(sd, True, {"a": 1.0}) for sd in (0.5, 0.4, 0.3, 0.2)]
    sentences = doubts(fit_result(bootstrap=bootstrap_result(directions=loose)))
    assert len(sentences) == 3
    for sd, sentence in zip(("0.5", "0.4", "0.3"), sentences, strict=True):
        assert f"(sd {sd})" in sentence


def test_loose_directions_and_missing_intervals_are_told():
    firm = DirectionResult(0.5, False, {"a": 1.0})
    (sentence,) = doubts(fit_result(bootstrap=bootstrap_result(directions=[LOOSE, firm])))
    assert "+0.70 a -0.70 b" in sentence
    one = DirectionResult(0.5, True, {"a": -1.0})
    (sentence,) = doubts(fit_result(bootstrap=bootstrap_result(directions=[one])))
    assert sentence == "Hardly determined (sd 0.5): a."
    (sentence,) = doubts(fit_result(bootstrap=None))
    assert "fit.bootstrap" in sentence


def test_refits_that_still_moved_are_told():
    (sentence,) = doubts(fit_result(bootstrap=bootstrap_result(unsettled=3)))
    assert sentence.startswith("3 refits of the bootstrap were not at rest")


def test_supports_that_are_as_good_are_told_by_their_size():
    def other(**changes: Any) -> PathPoint:
        fields = {"strength": 0.1, "n_terms": 2, "deviance": 10.0, "error": 1.0, "chosen": False}
        return PathPoint(**{**fields, **changes})

    assert _doubts({"path": [CHOSEN, other()]}) == []  # the same set, left by two strengths
    (sentence,) = _doubts({"path": [CHOSEN, other(n_terms=5, deviance=9.5)]})
    assert "of 5 numbers" in sentence
    assert _doubts({"path": [CHOSEN, other(n_terms=5, deviance=12.0)]}) == []
