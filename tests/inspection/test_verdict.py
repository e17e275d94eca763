"""The verdict says what the numbers say, for every standing, and never more."""

from dataclasses import replace
from typing import Any

import pytest

from metaplast.inspection.verdict import Evidence, Horizon, PageVerdict, verdict
from metaplast.results.changed_world import Cell, cell_of_scores
from metaplast.results.numbers import Bounds
from metaplast.results.summary import (
    Difference,
    ReferenceRow,
    RowScore,
    TrainedRow,
    Verdict,
)
from metaplast.results.table import RowFacts

RULE = TrainedRow(reach="synapse", feedback="random", reads=["pre.activity"], learned=44)
TRAINED = Verdict("trained", "accuracy")
PRAISE = ("great", "success", "discover", "promising", "excellent", "strong", "impressive", "!")


def row(name: str, gain: float, half: float, metric: str = "accuracy") -> RowScore:
    """A row that the rule is better than by `gain`, with a symmetric interval."""
    sign = -1.0 if metric == "accuracy" else 1.0
    ends = sorted((sign * (gain - half), sign * (gain + half)))
    difference = Difference(sign * gain, Bounds(*ends))
    mean = 0.9 + sign * gain
    bounds = Bounds(mean - half, mean + half)
    return RowScore(
        name=name,
        split="heldout",
        metric=metric,
        mean=mean,
        ci95=bounds,
        n=1024,
        difference=difference,
    )


def evidence(*others: tuple[RowScore, Any], **more: Any) -> Evidence:
    """The searched rule at 0.9, and other rows with their facts."""
    metric = others[0][0].metric if others else "accuracy"
    own = row("discovered", 0.0, 0.0, metric)
    scores = [own, *(score for score, _ in others)]
    facts = {"discovered": RowFacts(replace(RULE, verdict=TRAINED))}
    for score, of_row in others:
        facts[score.name] = RowFacts(of_row)
    given: dict[str, Any] = {
        "runs": ["runs a"],
        "searched": "discovered",
        "scores": scores,
        "facts": facts,
        "seeds": [0],
        "means": {score.name: [score.mean] for score in scores},
        "outer_steps": 200,
    }
    return Evidence(**(given | more))


def said(one: PageVerdict) -> str:
    return " ".join(one.sentences)


def tuned(**changes: Any) -> TrainedRow:
    return replace(RULE, learned=3, verdict=TRAINED, **changes)


HEBB = tuned()
BACKPROP = tuned(feedback="symmetric")


def test_above_every_tuned_baseline() -> None:
    one = verdict(evidence((row("hebb", 0.05, 0.01), HEBB), (row("oja", 0.02, 0.005), HEBB)))
    assert one.standing == "above"
    assert one.found == (
        "In accuracy on 1024 held-out lives the rule is better than the best tuned baseline, oja, "
        "by 0.02, 95 % interval [0.015, 0.025]."
    )
    assert "no simpler row of the table explains its score; the best of them, oja" in one.limits
    assert one.next_command == "metaplast train --config 'runs a/config.yaml' seed=1 seeds=4"


def test_a_loss_is_better_when_it_is_small() -> None:
    one = verdict(evidence((row("hebb", 0.05, 0.01, "loss"), HEBB)))
    assert one.standing == "above" and "by 0.050, 95 % interval [0.040, 0.060]" in one.found
    other = verdict(evidence((row("hebb", -0.05, 0.01, "loss"), HEBB)))
    assert other.standing == "below" and "by 0.050, 95 % interval [0.040, 0.060]" in other.found


def test_better_in_the_mean_alone_is_not_better() -> None:
    one = verdict(evidence((row("hebb", 0.01, 0.02), HEBB)))
    assert one.standing == "level" and "not told apart from a tuned baseline, hebb" in one.found
    assert (
        "a control explains the score of its 44 learned numbers: hebb (learned numbers: 3) is"
        in (one.limits)
    )


def test_one_row_of_many_that_is_not_beaten_is_named() -> None:
    """The best row by its mean is beaten; a noisier one is not."""
    one = verdict(evidence((row("quiet", 0.02, 0.005), HEBB), (row("noisy", 0.03, 0.05), HEBB)))
    assert one.standing == "level" and "baseline, noisy" in one.found


def test_a_doubled_learning_rate_is_no_discovery() -> None:
    """Hebb at its shipped step size is far behind; with its step size tuned it is as good."""
    shipped = replace(HEBB, learned=0, verdict=None)
    alone = verdict(evidence((row("hebb", 0.10, 0.01), shipped)))
    assert alone.standing == "alone" and alone.found.startswith("Nothing is shown")
    assert "a better step size alone may explain the score" in alone.limits
    assert "learn: rate" in alone.next_command
    control = replace(HEBB, learned=1)
    exposed = verdict(
        evidence(
            (row("hebb", 0.10, 0.01), shipped),
            (row("hebb_tuned", 0.001, 0.004), control),
            controls=["hebb_tuned"],
        )
    )
    assert exposed.standing == "level"
    assert (
        "a control explains the score" in exposed.limits
        and "hebb_tuned (learned numbers: 1)" in (exposed.limits)
    )


def test_another_feedback_counts_and_equals_are_named_beside_it() -> None:
    one = verdict(
        evidence((row("backprop", -0.01, 0.002), BACKPROP), (row("fa", 0.03, 0.004), HEBB))
    )
    assert one.standing == "below"
    assert "worse than a tuned baseline, backprop (symmetric feedback), by 0.01" in one.found
    assert one.among_equals == (
        "Among rows that read no more (random feedback), it is better than the best, fa, by 0.03 "
        "[0.026, 0.034]."
    )
    assert len(one.sentences) == 4
    assert "no simpler row" in one.limits  # backprop is not simpler: it carries weights


@pytest.mark.parametrize(
    "gain, words",
    [(0.001, "not told apart from the best, fa: difference"), (-0.02, "worse than the best, fa")],
)
def test_equals_that_are_not_beaten(gain: float, words: str) -> None:
    backprop = (row("backprop", -0.03, 0.002), BACKPROP)
    one = verdict(evidence(backprop, (row("fa", gain, 0.004), HEBB)))
    assert words in one.among_equals and "a control explains the score" in one.limits


def test_a_wider_reach_is_no_control() -> None:
    wide = tuned(reach="layer")
    one = verdict(evidence((row("wide", -0.01, 0.002), wide)))
    assert one.standing == "below" and one.among_equals == ""
    assert "no simpler row with its step size tuned" in one.limits


def test_a_row_that_is_better_explains_the_score_with_more_numbers() -> None:
    """A momentum of 2 numbers is behind the delta rule of 3: the delta rule explains it."""
    small = replace(RULE, learned=2, verdict=TRAINED, reads=["post.feedback", "pre.activity"])
    given = evidence((row("delta", -0.0068, 0.004, "loss"), HEBB))
    one = verdict(replace(given, facts={**given.facts, "discovered": RowFacts(small)}))
    assert (
        "a control explains the score of its 2 learned numbers: delta (learned numbers: 3) is "
        "better by 0.0068" in one.limits
    )
    assert "hebb" not in one.next_command
    behind = evidence((row("delta", 0.0068, 0.004, "loss"), HEBB))
    other = verdict(replace(behind, facts={**behind.facts, "discovered": RowFacts(small)}))
    assert "no simpler row with its step size tuned" in other.limits
    assert "error_tuned" in other.next_command and "terms: [error*pre]" in other.next_command
    assert "initial: [-1]" in other.next_command


@pytest.mark.parametrize(
    ("reads", "rule"),
    [
        (["pre.activity"], "terms: [post*pre], initial: [1]"),
        (
            ["modulators.reward", "pre.activity"],
            "terms: [modulator.reward*post*pre], initial: [1]",
        ),
        (
            ["modulators.punishment", "modulators.reward"],
            "terms: [modulator.punishment*post*pre, modulator.reward*post*pre], initial: [1, 1]",
        ),
    ],
)
def test_the_control_of_a_rule_with_modulators_has_them(reads: list[str], rule: str) -> None:
    searched = replace(RULE, feedback="none", reads=reads, verdict=TRAINED)
    alone = evidence()
    one = verdict(replace(alone, facts={"discovered": RowFacts(searched)}))
    assert one.standing == "alone" and rule in one.next_command


def test_a_network_without_a_rule_is_told_no_rule() -> None:
    still = replace(RULE, reach="-", feedback="none", reads=[], verdict=TRAINED)
    alone = evidence(has_rule=False)
    one = verdict(replace(alone, facts={"discovered": RowFacts(still)}))
    text = said(one).lower()
    assert "the network has 0.9" in text and "no synapse changes within a life." in text
    for words in ("the rule", "reads no further", "its terms", "step size"):
        assert words not in text
    assert "polynomial" not in one.next_command


def test_a_row_no_better_than_no_plasticity_is_no_control() -> None:
    idle = replace(RULE, learned=0, reads=[], reach="-", feedback="none")
    still = (row("no_plasticity", 0.5, 0.02, "loss"), idle)
    one = verdict(evidence(still, (row("hebb_tuned", 2.3, 0.5, "loss"), HEBB)))
    assert "no simpler row of the table explains" not in one.limits
    assert "no simpler row with its step size tuned" in one.limits
    assert "hebb_tuned" not in one.next_command  # the table has it
    useful = verdict(evidence(still, (row("hebb_tuned", 0.3, 0.1, "loss"), HEBB)))
    assert "the best of them, hebb_tuned, is worse by 0.3" in useful.limits


def test_references_never_stand_for_a_baseline_but_are_named_when_better() -> None:
    one = verdict(evidence((row("knn", -0.06, 0.003), ReferenceRow()), (row("a", 0.1, 0.01), HEBB)))
    assert one.standing == "above" and "knn" not in one.found
    assert "References outside its kind are better: knn by 0.060 [0.057, 0.063]." in one.limits


def test_lives_that_are_not_finite() -> None:
    given = evidence((row("hebb", 0.1, 0.01), HEBB))
    broken = replace(given.scores[0], mean=None, ci95=Bounds(None, None), not_finite=7)
    one = verdict(replace(given, scores=[broken, *given.scores[1:]]))
    assert one.standing == "failed" and one.found.startswith("Nothing was found: 7 of")
    assert one.next_command.endswith("outer.steps=400")


@pytest.mark.parametrize("state", ["not trained", "overfitted"])
def test_a_failed_search_of_the_rule(state: str) -> None:
    given = evidence((row("hebb", 0.1, 0.01), HEBB))
    lost = replace(RULE, verdict=Verdict(state, "accuracy", "validation", "hebb"))
    one = verdict(replace(given, facts={**given.facts, "discovered": RowFacts(lost)}))
    assert one.standing == "failed" and f"{state}: it ended below hebb" in one.found
    assert one.next_command.endswith("outer.steps=400")


def test_a_failed_search_of_a_baseline() -> None:
    lost = tuned()
    lost = replace(lost, verdict=Verdict("not trained", "accuracy", "validation", "start"))
    one = verdict(evidence((row("hebb", 0.1, 0.01), lost)))
    assert "better than the best tuned baseline, hebb (not trained)" in one.found
    assert "A search failed: hebb (not trained)" in one.sure
    assert one.next_command.endswith("outer.steps=400")


def test_several_seeds_and_what_is_known_of_the_rule() -> None:
    given = evidence((row("hebb", 0.1, 0.01), HEBB), seeds=[0, 1, 2])
    means = {"discovered": [0.9, 0.9, 0.7], "hebb": [0.8, 0.8, 0.8]}
    one = verdict(replace(given, means=means))
    assert "3 seeds; the interval is Student's t over 3 splits." in one.sure
    assert "better than that of hebb in 2 of 3 splits" in one.sure
    assert "is not known" in one.sure
    assert one.next_command == "metaplast inspect --thorough 'runs a'"
    known = replace(given, means=means, identifiability="The task pins down 2 of 27 directions.")
    other = verdict(known)
    assert other.sure.endswith("The task pins down 2 of 27 directions.")
    assert other.next_command == "metaplast compare 'runs a'"


def test_horizons_and_other_places() -> None:
    horizons = [
        Horizon(factor=2, score=0.91, diverging=0.0, saturating=0.0, n=128),
        Horizon(factor=8, score=None, diverging=0.25, saturating=0.5, n=128),
    ]
    given = evidence((row("hebb", 0.1, 0.01), HEBB), horizons=horizons)
    one = verdict(given)
    assert (
        "accuracy 0.91 at x 2; not finite at x 8, 25 % of lives diverge, "
        "50 % of weights at a bound (n 128)." in one.limits
    )
    assert "Not tried: other widths, other tasks." in one.limits
    other = verdict(replace(given, elsewhere=["At twice the width it loses 0.1."]))
    assert other.limits.endswith("At twice the width it loses 0.1. Not tried: other tasks.")
    neither = verdict(evidence((row("hebb", 0.1, 0.01), HEBB)))
    assert "Not tried: lives of another length, other widths, other tasks." in neither.limits


def world(change: str, gain: float | None, half: float = 0.01) -> Cell:
    """A changed world in which the rule is better than hebb by `gain`; None: it diverges."""
    own = row("discovered", 0.0, 0.0)
    if gain is None:
        own = replace(own, mean=None, not_finite=3)
        return cell_of_scores([change], [0], [own], {}, "discovered")
    facts = {"hebb": RowFacts(HEBB)}
    return cell_of_scores([change], [0], [own, row("hebb", gain, half)], facts, "discovered")


def test_changed_worlds_are_counted_and_the_worst_is_named() -> None:
    worlds = [
        world("task.shots=40", 0.05),
        world("task.shots=5", 0.001),
        world("task.noise=1", -0.2),
    ]
    one = verdict(evidence((row("hebb", 0.1, 0.01), HEBB), worlds=worlds))
    assert (
        "In changed worlds (3) it is better than the best tuned baseline in 1, level with it in 1, "
        "worse in 1; at worst in task.noise=1: worse by 0.200 [0.190, 0.210] than hebb."
        in one.limits
    )
    level = verdict(evidence((row("hebb", 0.1, 0.01), HEBB), worlds=worlds[:2]))
    assert "at worst in task.shots=5: level with hebb, difference 0.001 [" in level.limits
    assert "other tasks" in one.limits  # a changed setting is no other family of tasks
    lost = verdict(evidence((row("hebb", 0.1, 0.01), HEBB), worlds=[world("task=odours", None)]))
    assert "In changed worlds (1) it is without a score in 1." in lost.limits
    assert "other tasks" not in lost.limits


def test_the_last_open_question_is_another_world() -> None:
    known = {
        "seeds": [0, 1],
        "means": {"discovered": [0.9, 0.9], "hebb": [0.8, 0.8]},
        "identifiability": "The task pins down 2 of 27 directions.",
        "runs": ["a", "b"],
        "other_world": "task.shots=40",
    }
    given = evidence((row("hebb", 0.1, 0.01), HEBB), **known)
    assert verdict(given).next_command == "metaplast eval a b task.shots=40"
    judged = replace(given, worlds=[world("task.shots=40", 0.05)])
    assert verdict(judged).next_command == "metaplast compare a b"


def test_a_baseline_without_a_finite_score_is_named() -> None:
    nothing = Difference(None, Bounds(None, None))
    wild = replace(row("wild", 0.1, 0.01), mean=None, difference=nothing)
    given = evidence((row("hebb", 0.1, 0.01), HEBB), (wild, HEBB))
    judged = verdict(given)
    assert judged.standing == "above"
    assert "No difference is known to wild: some of its lives are not finite." in judged.sure


def test_activity_carried_back_through_forward_weights_is_said() -> None:
    given = evidence((row("hebb", 0.1, 0.01), HEBB))
    carried = replace(RULE, verdict=TRAINED, reads=["post.returned"])
    one = verdict(replace(given, facts={**given.facts, "discovered": RowFacts(carried)}))
    assert "carried back through the forward weights" in one.limits


def test_a_step_of_time_that_matters_is_said() -> None:
    given = evidence((row("hebb", 0.1, 0.01), HEBB))
    coarse = RowFacts(given.facts["discovered"].row, too_long=["spikes_i"])
    one = verdict(replace(given, facts={**given.facts, "discovered": coarse}))
    assert "Half of dt changes spikes_i: dt is too long for that." in one.sure


@pytest.mark.parametrize("gain", [-0.1, 0.0, 0.1])
def test_no_word_of_praise(gain: float) -> None:
    one = verdict(evidence((row("hebb", gain, 0.01), HEBB)))
    assert not [word for word in PRAISE if word in said(one).lower()]
    if gain <= 0:
        assert "better than the best tuned baseline" not in said(one)


def test_a_hostile_name_is_one_word_of_a_shell() -> None:
    one = verdict(evidence((row("hebb", 0.1, 0.01), HEBB), runs=["x; rm -rf ~ '"]))
    assert "--config 'x; rm -rf ~ '\"'\"'/config.yaml' seed=1" in one.next_command


@pytest.mark.parametrize(
    ("verb", "more"),
    [
        ("train", {}),
        ("inspect", {"seeds": [0, 1]}),
        ("eval", {"seeds": [0, 1], "identifiability": "Known.", "other_world": "dt=0.01"}),
        ("compare", {"seeds": [0, 1], "identifiability": "Known."}),
    ],
)
def test_the_next_command_imports_the_plug_ins_of_the_runs(verb: str, more: dict[str, Any]) -> None:
    given = evidence((row("hebb", 0.05, 0.01), HEBB), imports=["--import", "mine"], **more)
    if len(given.seeds) > 1:
        given = replace(given, means={"discovered": [0.9, 0.9], "hebb": [0.8, 0.8]})
    assert verdict(given).next_command.startswith(f"metaplast {verb} --import mine ")


def test_a_rule_whose_lives_are_all_dead_is_judged_by_that_alone() -> None:
    given = evidence((row("hebb", 0.1, 0.01), HEBB))
    dead = RowFacts(given.facts["discovered"].row, dead=["e"])
    facts = {**given.facts, "discovered": dead}
    one = verdict(replace(given, facts=facts, louder="network.gain=5"))
    assert one.standing == "failed"
    assert one.found.startswith(
        "Nothing was found: all 1024 held-out lives of discovered are dead: population e is silent."
    )
    assert "make the first weights larger (network.gain=5)" in one.found
    assert "step size" not in one.limits
    assert one.next_command == "metaplast train --config 'runs a/config.yaml' network.gain=5"
    rival = RowFacts(given.facts["hebb"].row, dead=["e", "i"])
    other = verdict(replace(given, facts={**given.facts, "hebb": rival}))
    assert "All lives of hebb are dead (populations e, i are silent)" in other.sure


def test_a_rule_with_one_silent_population_is_judged_by_its_score() -> None:
    given = evidence((row("hebb", 0.45, 0.01), HEBB))
    facts = {}
    for name, of_row in given.facts.items():
        facts[name] = replace(of_row, silent=["inh"])
    one = verdict(replace(given, facts=facts, louder="network.gain=5"))
    assert one.standing == "above" and "is better than the best tuned baseline, hebb" in one.found
    assert "In all lives of discovered population inh is silent; its score came" in one.sure
    assert "In all lives of hebb population inh is silent" in one.sure
    assert "network.gain" not in one.next_command
