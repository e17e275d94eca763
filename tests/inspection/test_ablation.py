"""The worth of terms and inputs, against closed forms, NumPy and constructed rules."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from metaplast.figures.ablation import part, verdict
from metaplast.inspection.ablation import Ablation, Worth, ablation
from metaplast.inspection.hold import held_inputs, hold
from metaplast.inspection.knock_out import (
    coefficients,
    free_numbers,
    knocked_out,
    leaf_of_zero,
    opened,
)
from metaplast.inspection.retuned import Start, retuned
from metaplast.inspection.side_by_side import Difference, difference
from metaplast.inspection.subject import Subject
from metaplast.language.account import LAWS
from metaplast.language.grammar import expand
from metaplast.life.lifetime import Lifetime, Slot
from metaplast.networks.feedforward import Feedforward
from metaplast.objectives.mean_loss import MeanLoss
from metaplast.problem.meta_problem import MetaProblem
from metaplast.results.statistics import Estimate
from metaplast.reuse.rule_file import RuleFile
from metaplast.rules.base import AbstractRule
from metaplast.rules.mlp import Mlp
from metaplast.rules.polynomial import Polynomial
from metaplast.rules.wrappers.clip import Clip
from metaplast.rules.wrappers.sum import Sum
from metaplast.rules.wrappers.three_factor import ThreeFactor
from metaplast.signals import Theta
from metaplast.spec import decode

TAYLOR = expand(("taylor 2 of post pre weight",))
OJA = {"post*pre": 1.0, "post^2*weight": -1.0}


def oja_task(n_steps: int = 20) -> Any:
    """A teacher that learns by Oja's rule, which the student shall follow."""
    shape = {"n_in": 4, "n_out": 3, "n_steps": n_steps}
    return decode("task", {"name": "teacher_student", **shape})


def problem_of(
    rule: AbstractRule, hidden: tuple[int, ...] = (), shared: bool = True, n_steps: int = 20
) -> MetaProblem:
    """Students with a rule, whose first weights are those of the teacher."""
    slots = (Slot(rule=rule, shared=shared),)
    genome = decode("genome", "random" if hidden else "given")
    lifetime = Lifetime(
        task=oja_task(n_steps), network=Feedforward(hidden=hidden), slots=slots, genome=genome
    )
    return MetaProblem(lifetime, MeanLoss())


def subject_of(problem: MetaProblem, theta: Theta) -> Subject:
    return Subject(problem, theta, 5, "loss", False, RuleFile({}, {}))


def near_oja(noise: float = 1e-4) -> Subject:
    """Oja's two coefficients among 27, and small numbers in the rest."""
    problem = problem_of(Polynomial(terms=TAYLOR))
    c = noise * np.random.default_rng(0).standard_normal(len(TAYLOR))
    for term, value in OJA.items():
        c[TAYLOR.index(term)] = value
    theta = problem.init(jax.random.key(0))
    return subject_of(problem, {**theta, "rules": {"rule": {"coefficients": np.float32(c)}}})


@pytest.fixture(scope="module")
def oja() -> Ablation:
    found = ablation(near_oja(), n_lives=64)
    assert found is not None
    return found


def test_the_two_terms_of_oja_carry_everything(oja: Ablation) -> None:
    assert oja.of == "terms" and len(oja.alone) == 27 and not oja.together
    worth = {one.name: one.worth.by for one in oja.alone}
    for term in OJA:
        assert worth.pop(term).low > 0.1 * oja.everything.by.mean > 0
    assert max(abs(one.mean) for one in worth.values()) < 0.01 * oja.everything.by.mean


def test_a_worth_is_the_paired_difference_of_two_evaluations(oja: Ablation) -> None:
    subject = near_oja()
    c = np.array(subject.theta["rules"]["rule"]["coefficients"])
    c[TAYLOR.index("post*pre")] = 0.0
    without = {**subject.theta, "rules": {"rule": {"coefficients": c}}}
    full = subject.scores(subject.theta, "validation", 64)
    by_hand = subject.scores(without, "validation", 64) - full
    worth = next(one.worth for one in oja.alone if one.name == "post*pre")
    assert worth.by.mean == pytest.approx(by_hand.mean(), rel=1e-5)
    assert worth.standard_error == pytest.approx(by_hand.std(ddof=1) / 8.0, rel=1e-4)
    assert worth.by.n == 64 and worth.not_finite == 0


def test_a_difference_leaves_out_and_counts_lives_that_are_not_finite() -> None:
    subject = replace(near_oja(), metric="accuracy", larger_is_better=True)
    found = difference(subject, np.array([3.0, np.nan, 5.0]), np.array([1.0, 1.0, 1.0]))
    assert (found.by.mean, found.by.n, found.not_finite) == (3.0, 2, 1)
    assert found.standard_error == pytest.approx(1.0)
    nothing = difference(subject, np.array([np.inf]), np.array([1.0]))
    assert nothing.by.n == 0 and np.isnan(nothing.by.mean)


def test_coefficients_start_from_initial() -> None:
    rule = Polynomial(terms=tuple(OJA), initial=(0.1, -0.7))
    problem = problem_of(rule)
    theta = {**problem.init(jax.random.key(0)), "rules": {"rule": {}}}
    theta["rules"]["rule"]["coefficients"] = np.array([0.9, 0.7], np.float32)
    first, second = coefficients(problem.lifetime, theta)
    assert first.value == pytest.approx(1.0) and second.value == 0.0
    without = knocked_out(theta, [first])
    assert float(rule.effective(without["rules"]["rule"])[1][0]) == 0.0
    found = ablation(subject_of(problem, theta), n_lives=8)
    assert found is not None
    assert [one.name for one in found.alone] == ["post*pre"]
    assert found.absent == (("rule", "post^2*weight"),)


EDGES = ("rule/input_to_hidden_1", "rule/hidden_1_to_output")


@pytest.fixture(scope="module")
def of_edges() -> tuple[Subject, Ablation]:
    """A rule with one theta an edge. Hidden units have no target, which is 0 for them."""
    rule = Polynomial(terms=("error*pre", "weight", "target*pre"), initial=(-1.0, -0.1, 3.0))
    problem = problem_of(rule, hidden=(3,), shared=False, n_steps=8)
    subject = subject_of(problem, problem.init(jax.random.key(0)))
    found = ablation(subject, n_lives=16)
    assert found is not None
    return subject, found


def test_a_term_that_does_nothing_is_worth_nothing(of_edges: tuple[Subject, Ablation]) -> None:
    _, found = of_edges
    of_hidden, of_output = (one.worth.by for one in found.alone if one.name == "target*pre")
    assert (of_hidden.mean, of_hidden.low, of_hidden.high) == (0.0, 0.0, 0.0)
    assert abs(of_output.mean) > 1e-5


def test_every_edge_is_knocked_out_alone_and_with_the_others(
    of_edges: tuple[Subject, Ablation],
) -> None:
    subject, found = of_edges
    terms = ("error*pre", "weight", "target*pre")
    alone = [(one.entries, one.name) for one in found.alone]
    assert alone == [((edge,), term) for edge in EDGES for term in terms]
    assert [(one.entries, one.name) for one in found.together] == [(EDGES, one) for one in terms]
    both = knocked_out(subject.theta, coefficients(subject.problem.lifetime, subject.theta)[1::3])
    for edge in both["rules"]["rule"].values():
        np.testing.assert_array_equal(edge["coefficients"], np.array([0.0, 0.1, 0.0], np.float32))
    full = subject.scores(subject.theta, "validation", 16)
    by_hand = subject.scores(both, "validation", 16) - full
    assert found.together[1].worth.by.mean == pytest.approx(by_hand.mean(), rel=1e-4)


def test_terms_are_found_inside_wrappers() -> None:
    inner = Polynomial(terms=("post*pre", "weight"), initial=(1.0, 0.5), learn="both")
    slow = Polynomial(terms=("post*pre",), initial=(2.0,))
    gated = ThreeFactor(rule=slow, modulator="surprise")
    rule = Clip(rule=Sum(rules=(("fast", inner), ("slow", gated))))
    problem = problem_of(rule)
    theta = problem.init(jax.random.key(0))
    found = coefficients(problem.lifetime, theta)
    assert [(one.term, one.value) for one in found] == [
        ("fast: post*pre", 1.0),
        ("fast: weight", 0.5),
        ("slow: post*pre", 2.0),
    ]
    without = knocked_out(theta, found)["rules"]["rule"]
    np.testing.assert_array_equal(without["fast"]["coefficients"], [-1.0, -0.5])
    np.testing.assert_array_equal(without["slow"]["rule"]["coefficients"], [-2.0])
    assert without["slow"]["log_tau"] == theta["rules"]["rule"]["slow"]["log_tau"]


def test_fixed_coefficients_are_opened_without_a_change_of_the_rule() -> None:
    rule = Clip(rule=Polynomial(terms=tuple(OJA), initial=(1.0, -1.0), learn="rate"))
    problem = problem_of(rule)
    theta = problem.init(jax.random.key(0))
    assert coefficients(problem.lifetime, theta) == []
    wide, wide_theta = opened(problem, theta)
    assert [one.value for one in coefficients(wide.lifetime, wide_theta)] == [1.0, -1.0]
    wide_rule: Any = wide.lifetime.slots[0].rule
    inner: Any = rule.rule
    of_slot = wide_theta["rules"]["rule"]
    for actual, expected in zip(
        wide_rule.rule.effective(of_slot), inner.effective(theta["rules"]["rule"]), strict=True
    ):
        np.testing.assert_array_equal(actual, expected)


@pytest.mark.parametrize("law", LAWS)
def test_every_law_that_can_give_0_does(law: str) -> None:
    zero = leaf_of_zero(law, 0.3)
    if zero is None:
        spread = [LAWS[law].acts(0.3, float(leaf)) for leaf in np.linspace(-3.0, 3.0, 41)]
        assert 0.0 not in spread
    else:
        assert LAWS[law].acts(0.3, zero) == 0.0


def test_an_input_that_a_kernel_ignores_is_worth_nothing() -> None:
    """The network computes a multiple of pre and does not look at post."""
    problem = problem_of(Mlp(inputs=("pre", "post"), hidden=(), scale=1.0, rate=1.0))
    theta = problem.init(jax.random.key(0))
    layer = {"weight": np.array([[0.3, 0.0]], np.float32), "bias": np.array([0.0], np.float32)}
    theta = {**theta, "rules": {"rule": {"layer_0": layer}}}
    subject = subject_of(problem, theta)
    found = ablation(subject, n_lives=32)
    assert found is not None and found.of == "inputs"
    worth = {one.name: one for one in found.alone}
    assert set(worth) == {"pre", "post"}
    assert worth["post"].worth.by.mean == 0.0
    held = {**layer, "weight": np.array([[0.0, 0.0]], np.float32)}
    held["bias"] = np.array([0.3 * worth["pre"].value], np.float32)
    instead = {**theta, "rules": {"rule": {"layer_0": held}}}
    by_hand = subject.scores(instead, "validation", 32) - subject.scores(theta, "validation", 32)
    assert worth["pre"].worth.by.mean == pytest.approx(by_hand.mean(), rel=1e-4)
    assert abs(by_hand.mean()) > 0


def test_a_price_of_theta_does_not_notice_what_is_held() -> None:
    rule = Mlp(inputs=("pre", "post"), hidden=(), scale=1.0, rate=1.0)
    problem = problem_of(rule)
    _, theta = held_inputs(problem, problem.init(jax.random.key(0)))
    held = hold(theta, {("rule", "input_to_output"): (1, 3.0)})

    def price(theta: Theta) -> np.float32:
        return np.float32(sum(np.abs(leaf).sum() for leaf in jax.tree.leaves(theta["rules"])))

    assert held["rules"]["rule"]["input_to_output"]["held"]["on"][1] > 0
    assert price(held) == price(theta)


@pytest.mark.system
def test_a_search_after_a_knock_out_holds_the_coefficient_at_0() -> None:
    rule = Polynomial(terms=("post*pre", "pre"), scale=0.0)
    problem = problem_of(rule, n_steps=8)
    theta = problem.init(jax.random.key(0))
    theta["rules"]["rule"]["coefficients"] = np.array([1.0, 0.2], np.float32)
    outer = decode("outer", {"name": "bptt", "steps": 3, "learning_rate": 0.05})
    found = ablation(subject_of(problem, theta), n_lives=16, outer=outer)
    assert found is not None and found.retuning == 3 and found.control is not None
    assert all(one.retuned is not None for one in found.alone)
    which = coefficients(problem.lifetime, theta)[:1]
    start = Start(knocked_out(theta, which), free_numbers(theta, which, theta))
    after = retuned(subject_of(problem, theta), outer, [start])[0]["rules"]["rule"]["coefficients"]
    assert after[0] == 0.0 and after[1] != np.float32(0.2)


@pytest.mark.system
def test_a_search_after_a_knock_out_moves_only_what_the_search_moved(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The rule learns its rate alone: its coefficients, which a knock-out opens, stay."""
    rule = Polynomial(terms=(*OJA, "pre"), initial=(0.8, -1.0, 0.0), learn="rate")
    problem = problem_of(rule, n_steps=8)
    subject = subject_of(problem, problem.init(jax.random.key(0)))
    outer = decode("outer", {"name": "bptt", "steps": 2, "learning_rate": 0.5})
    moved = []

    def spy(*args: Any) -> list[Theta]:
        found = retuned(*args)
        moved.extend(theta["rules"]["rule"] for theta in found)
        return found

    monkeypatch.setattr("metaplast.inspection.ablation.retuned", spy)
    found = ablation(subject, n_lives=8, outer=outer)
    assert found is not None and found.retuning == 2 and found.n_free == 1
    _, opened_theta = opened(problem, subject.theta)
    before = opened_theta["rules"]["rule"]
    assert len(moved) == 3
    np.testing.assert_array_equal(moved[0]["coefficients"], before["coefficients"])
    np.testing.assert_array_equal(
        moved[1]["coefficients"], np.asarray([-0.8, 0.0, 0.0], np.float32)
    )
    for theta in moved:
        assert theta["log_rate"] != before["log_rate"]


def test_nothing_is_retuned_where_the_search_moved_nothing(tmp_path: Path) -> None:
    rule = Polynomial(terms=tuple(OJA), initial=(0.8, -1.0), learn="none")
    problem = problem_of(rule, n_steps=8)
    subject = subject_of(problem, problem.init(jax.random.key(0)))
    outer = decode("outer", {"name": "bptt", "steps": 2})
    found = ablation(subject, n_lives=8, outer=outer)
    assert found is not None and found.n_free == 0 and found.retuning == 0
    page = part(found, None, None, tmp_path, "The search was by hybrid.")
    words = " ".join(page.section.paragraphs)
    assert "Nothing can be re-tuned" in words and "The search was by hybrid." in words


def test_parts_without_terms_are_named_where_terms_were_taken_out(tmp_path: Path) -> None:
    terms = Polynomial(terms=("post*pre",), initial=(0.5,), learn="none")
    kernel = Mlp(inputs=("pre", "post"), hidden=())
    problem = problem_of(Clip(rule=Sum(rules=(("terms", terms), ("net", kernel)))), n_steps=4)
    found = ablation(subject_of(problem, problem.init(jax.random.key(0))), n_lives=4)
    assert found is not None and found.of == "terms"
    assert found.not_taken_out == ("rule: net: mlp",)
    words = " ".join(part(found, None, None, tmp_path).section.paragraphs)
    assert "Not knocked out: rule: net: mlp." in words
    alone = problem_of(kernel, n_steps=4)
    of_kernel = ablation(subject_of(alone, alone.init(jax.random.key(0))), n_lives=4)
    assert of_kernel is not None and of_kernel.not_taken_out == ()


def test_coefficients_of_0_stay_0_after_a_knock_out() -> None:
    rule = Polynomial(terms=(*OJA, "pre"), scale=0.0)
    problem = problem_of(rule, n_steps=8)
    theta = problem.init(jax.random.key(0))
    theta["rules"]["rule"]["coefficients"] = np.array([1.0, -0.5, 0.0], np.float32)
    found = ablation(subject_of(problem, theta), n_lives=8)
    assert found is not None and found.n_free == 2


@pytest.mark.parametrize(
    ("interval", "not_finite", "expected"),
    [
        ((0.2, 0.1, 0.3), 0, "helps"),
        ((-0.2, -0.3, -0.1), 0, "harms"),
        ((0.2, -0.1, 0.5), 0, "not told from 0"),
        ((1e-6, 0.9e-6, 1.1e-6), 0, "negligible"),
        ((0.2, 0.1, 0.3), 3, "breaks lives"),
        ((np.nan, np.nan, np.nan), 0, "not told from 0"),
    ],
)
def test_the_verdict_on_a_term(
    oja: Ablation, interval: tuple[float, float, float], not_finite: int, expected: str
) -> None:
    """The terms of the rule are worth about 0.02 together."""
    worth = Difference(Estimate(*interval, 64), 0.1, not_finite)
    assert verdict(oja, Worth(("rule",), "post", 1.0, worth)) == expected
