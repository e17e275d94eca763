"""The words of a verdict."""

import shlex
from dataclasses import replace
from typing import Any

import pytest

from metaplast.fitting.doubts import doubts
from metaplast.fitting.next_command import next_command
from metaplast.fitting.result import (
    DataReading,
    FitResult,
    FitScore,
    IntervalsResult,
    ModelAdvice,
    TermsPlace,
    from_json,
    to_json,
)
from metaplast.fitting.verdict import verdict
from metaplast.results.numbers import Bounds
from metaplast.runs import provenance
from tests.fitting._results import (
    SCORES,
    bootstrap_result,
    fit_result,
    intervals_result,
    null_result,
    row_result,
    share,
)

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


def test_a_verdict_ends_with_the_advice_and_the_command_that_takes_it(tmp_path):
    words = "A constant input would explain 72 %."
    advice = ModelAdvice("constant", 0.72, words, ["network.bias=true"])
    fit = replace(_fit(-0.3, -0.1), advice=[advice])
    assert verdict(fit)[-1] == f"Next: {words}"
    assert next_command(tmp_path, fit).endswith(" network.bias=true")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("constant", " network.bias=true"),
        ("first_weights", " genome=per_subject task.held.subjects=0"),
    ],
)
def test_advice_of_an_earlier_version_has_its_command(change, words, tmp_path):
    plain = to_json(replace(_fit(-0.3, -0.1), advice=[ModelAdvice(change, 0.7, "Change it.")]))
    del plain["advice"][0]["settings"]
    assert next_command(tmp_path, from_json(plain, "fit.json")).endswith(words)


def _known(**changes: Any) -> IntervalsResult:
    return intervals_result(n=3, **changes)


def test_numbers_that_the_data_leave_open_are_not_settled():
    known = _known(open=[{"pre": 0.7, "pre^2": -0.7}])
    sentences = verdict(replace(_fit(0.1, 0.3), intervals=known))
    assert sentences[1] == "Its numbers are not settled: the data do not settle pre, pre^2."
    assert sentences[-1].startswith("Next: hold or drop what is not settled")


def test_numbers_that_the_data_leave_at_nothing_are_not_settled_either():
    """Where the gate never opens every number stays 0, and the rule has none to show."""
    fit = replace(_fit(0.1, 0.3, numbers={}), intervals=_known(open=[{"pre": 1.0}]))
    assert verdict(fit)[1] == "Its numbers are not settled: the data do not settle pre."


def test_a_verdict_counts_the_warnings_of_its_data():
    warnings = ["44 % of the rows have no choice"]
    fit = replace(_fit(0.1, 0.3), reading=DataReading([], warnings))
    line = "It holds if the data were read as you mean them: 1 warning, told below."
    assert verdict(fit)[-2] == line
    sound = replace(fit, reading=DataReading([], []))
    assert not [line for line in verdict(sound) if line.startswith("It holds")]


def test_numbers_of_one_subject_are_not_settled():
    fit = replace(_fit(0.1, 0.3), intervals=_known(alone=["pre"]))
    assert verdict(fit)[1] == "Its numbers are not settled: one subject alone settles pre."


def test_numbers_along_which_choices_are_separated_ask_for_other_choices():
    fit = replace(_fit(0.1, 0.3), intervals=_known(separated=["pre"]))
    assert verdict(fit)[-1].startswith("Next: record choices that differ")


def test_a_rule_is_found_only_where_every_null_is_told_apart():
    explained = {
        "mean": share(0.5, -0.4, 1.4, n=3),
        "glm_history": share(0.2, 0.1, 0.3, n=3),
    }
    assert verdict(fit_result(row_result(explained)))[0].startswith(
        "Not settled: over 3 held out, the rule is not told apart from mean. It explains 0.200"
    )


@pytest.mark.parametrize(
    ("rule", "null", "begins"),
    [
        (None, 20.0, "Not found: the fitted network diverges on held-out data."),
        (0.0, 0.0, "Not judged: mean predicts all that was held out without fault"),
        (1.0, None, "Not judged: the null model mean diverges on held-out data."),
    ],
)
def test_a_share_of_nothing_is_no_divergence(rule: float | None, null: float | None, begins: str):
    """Weights that never change leave no null model anything to explain."""
    explained = {
        "mean": share(None, None, None, n=0),
        "glm_history": share(0.2, 0.1, 0.3, n=3),
    }
    row = row_result(explained, splits={**SCORES, "heldout": FitScore(rule, None)})
    fit = fit_result(row, nulls={"mean": null_result(null)})
    assert verdict(fit)[0].startswith(begins)


def test_an_interval_that_is_too_wide_asks_for_more_subjects():
    assert "task.held.subjects" in verdict(_fit(-0.1, 0.3))[-1]


def test_half_of_the_subjects_are_enough_to_hold_out(tmp_path):
    """Where half of them are held out already, another share is no step."""
    provenance.record(tmp_path, "metaplast fit a.npz task.held.subjects=0.5", {})
    wide = _fit(-0.1, 0.3)
    half = replace(wide, data=replace(wide.data, subjects=5, heldout_subjects=["s", "t"]))
    assert verdict(half)[-1] == "Next: record more subjects: the interval is too wide to tell."
    assert next_command(tmp_path, half) == ""
    (sentence,) = doubts(half)
    assert sentence.endswith("(over 3 held out: record more).")


def test_one_held_out_subject_asks_for_more_of_them(tmp_path):
    provenance.record(tmp_path, "metaplast fit a.npz", {})
    alone = fit_result(row_result({"mean": share(0.3, None, None, n=1)}))
    assert verdict(alone)[-1] == (
        "Next: hold out more subjects (task.held.subjects), or record more: one subject alone "
        "gives no interval."
    )
    assert next_command(tmp_path, alone) == "metaplast fit a.npz task.held.subjects=0.5"


def test_a_command_stands_only_under_its_own_sentence(tmp_path):
    """A step that no word takes has no command: a fit to simulated values is another step."""
    for changes in ({"open": [{"pre": 1.0}]}, {"separated": ["pre"]}):
        fit = replace(_fit(0.1, 0.3), intervals=_known(**changes))
        assert next_command(tmp_path, fit) == ""
    told = ModelAdvice("bounded", 0.06, "Scale them to 0 to 1 and say network.output=sigmoid.")
    assert next_command(tmp_path, replace(_fit(0.1, 0.3), advice=[told])) == ""


def test_a_family_that_beats_the_nulls_where_the_rule_does_not_is_named(tmp_path):
    """The interval of their difference may hold 0: then no family is called better."""
    apart = {"mean": share(0.7, 0.5, 0.9, n=2), "glm_history": share(0.2, 0.17, 0.23, n=2)}
    lead = share(0.04, -0.6, 0.7, n=2)
    fit = _fit(-0.1, 0.3)
    known = {"oja": row_result(apart, lead, numbers={"post*pre": 1.0, "post^2*weight": -1.0})}
    fit = replace(fit, rows={**fit.rows, **known})
    assert verdict(fit)[1] == (
        "The family oja is told apart from every null, and the rule is not: of the deviance that "
        "glm_history leaves it explains 0.200 [0.170, 0.230]. Beside the rule it is +0.040 "
        "[-0.600, +0.700], which holds 0."
    )
    assert verdict(fit)[-1] == "Next: fit the terms of oja alone."
    assert next_command(tmp_path, fit).endswith("'rule.terms=[post*pre,post^2*weight]'")
    unplaced = replace(fit, terms=TermsPlace(""))
    assert verdict(unplaced)[-1] == "Next: fit the terms of oja alone."
    assert next_command(tmp_path, unplaced) == ""
    found = replace(_fit(0.1, 0.3), rows={**_fit(0.1, 0.3).rows, **known})
    assert "oja" not in " ".join(verdict(found))


def test_a_verdict_says_why_not_to_believe_it():
    fit = _fit(0.1, 0.3)
    assert verdict(fit)[2].startswith("Why not to believe it: no check found a reason;")
    doubted = replace(fit, doubts=["It was still moving.", "It is one animal."])
    line = "Why not to believe it: It was still moving. (1 more below)"
    assert verdict(doubted)[2] == line


def test_the_next_command_is_that_of_the_fit_with_the_step_of_the_verdict(tmp_path):
    given = "metaplast fit a.npz outer.steps=20 --run-dir old --quiet --recover rule=oja"
    provenance.record(tmp_path, given, {})
    begun = "metaplast fit a.npz outer.steps=20"
    moving = _fit(0.1, 0.3, stable=False)
    assert next_command(tmp_path, moving) == f"{begun} outer.steps=100"
    wide = f"{begun} task.held.subjects=0.5"
    assert next_command(tmp_path, _fit(-0.1, 0.3)) == wide
    found = _fit(0.1, 0.3)
    recover = next_command(tmp_path, found)
    assert shlex.split(recover) == [
        *begun.split(),
        *("--recover", "rule=polynomial"),
        *("--recover", "rule.terms=[pre,post]"),
        *("--recover", "rule.initial=[1.0,-0.2]"),
        *("--recover", "rule.rate=1.0"),
        *("--recover", "rule.learn=none"),
    ]
    assert next_command(tmp_path, replace(found, recover={"rule": {}})) == begun
    own = "metaplast fit DATA.npz a.npz outer.steps=20"
    assert next_command(tmp_path, replace(found, truth=[])) == own


def test_the_next_command_imports_the_plug_ins_of_the_fit(tmp_path):
    provenance.record(tmp_path, "", {}, ["mine"])
    moving = _fit(0.1, 0.3, stable=False)
    assert next_command(tmp_path, moving).startswith("metaplast fit --import mine experiment=")
    timed = _fit(0.1, 0.3, numbers={"tau_pre": 0.02})
    shown = f"metaplast show --import mine {tmp_path.name}/rule.safetensors"
    assert next_command(tmp_path, timed) == shown


def test_a_rule_that_is_no_list_of_terms_is_shown(tmp_path):
    timed = _fit(0.1, 0.3, numbers={"tau_pre": 0.02})
    assert next_command(tmp_path, timed) == f"metaplast show {tmp_path.name}/rule.safetensors"
