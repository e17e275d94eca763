"""The front of terms, the chosen rule and its file, on rules whose terms are known."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from metaplast.figures.ablation import part, verdict
from metaplast.inspection.ablation import ablation
from metaplast.inspection.parsimony import Parsimony, parsimony
from metaplast.inspection.sparse_rule import narrowed, sparse_rule
from metaplast.inspection.subject import Subject
from metaplast.language.grammar import expand
from metaplast.life.lifetime import Lifetime, Slot
from metaplast.networks.feedforward import Feedforward
from metaplast.objectives.mean_loss import MeanLoss
from metaplast.problem.meta_problem import MetaProblem
from metaplast.reuse.describe import describe_rule
from metaplast.reuse.formula import formula
from metaplast.reuse.load import load_rule
from metaplast.reuse.rule_file import RuleFile, checksum
from metaplast.reuse.view import synapse_view
from metaplast.rules.base import AbstractRule
from metaplast.rules.polynomial import Polynomial
from metaplast.rules.trace_taylor import TraceTaylor
from metaplast.rules.wrappers.clip import Clip
from metaplast.rules.wrappers.sum import Sum
from metaplast.signals import Theta
from metaplast.spec import decode
from metaplast.training.sparse_rule import write_sparse

TERMS = expand(("taylor 1 of post pre weight", "post^2*weight"))


def lifetime_of(rule: AbstractRule, shared: bool = True, hidden: tuple[int, ...] = ()) -> Lifetime:
    task: Any = decode("task", {"name": "teacher_student", "n_in": 4, "n_out": 3, "n_steps": 20})
    return Lifetime(
        task=task,
        network=Feedforward(hidden=hidden),
        slots=(Slot(rule=rule, shared=shared),),
        genome=decode("genome", "random" if hidden else "given"),
    )


def near_oja() -> Subject:
    """Oja's coefficients among nine, through `initial` and a wrapper."""
    rng = np.random.default_rng(1)
    initial = tuple((1e-5 * rng.standard_normal(len(TERMS))).tolist())
    lifetime = lifetime_of(Clip(rule=Polynomial(terms=TERMS, initial=initial)))
    problem = MetaProblem(lifetime, MeanLoss())
    c = np.zeros(len(TERMS), np.float32)
    c[TERMS.index("post*pre")] = 1.0
    c[TERMS.index("post^2*weight")] = -1.0
    theta = {**problem.init(jax.random.key(0)), "rules": {"rule": {"coefficients": c}}}
    file = RuleFile(*describe_rule(lifetime, theta, provenance={"seed": 7}))
    return Subject(problem, theta, 5, "loss", False, file)


@pytest.fixture(scope="module")
def found() -> Parsimony:
    result = parsimony(near_oja(), n_lives=64, n_heldout=64)
    assert result is not None
    return result


def kept_terms(found: Parsimony) -> set[str]:
    return {found.terms[place].term for place in found.front[found.chosen].kept}


def test_the_two_terms_of_oja_are_kept(found: Parsimony) -> None:
    assert kept_terms(found) == {"post*pre", "post^2*weight"}
    assert [len(subset.kept) for subset in found.front] == list(range(9, -1, -1))
    for larger, smaller in zip(found.front, found.front[1:], strict=False):
        assert set(smaller.kept) < set(larger.kept)


def test_the_chosen_rule_is_judged_on_held_out_lives(found: Parsimony) -> None:
    subject = found.subject
    full = subject.scores(subject.theta, "heldout", 64)
    sparse = subject.scores(found.theta, "heldout", 64)
    assert found.heldout.by.n == 64
    assert found.heldout.by.mean == pytest.approx((full - sparse).mean(), abs=1e-9)
    assert found.heldout_means[0] == pytest.approx(sparse.mean(), abs=1e-9)


def test_the_file_changes_weights_as_the_full_rule_with_zeros(
    found: Parsimony, tmp_path: Path
) -> None:
    path, file = write_sparse(found, tmp_path)
    rule = load_rule(path)
    inner: Any = rule.spec
    assert inner.rule.terms == ("post*pre", "post^2*weight")
    rng = np.random.default_rng(0)
    weight = jnp.asarray(rng.standard_normal((3, 4)), jnp.float32)
    view = synapse_view(weight=weight, pre=rng.standard_normal(4), post=rng.standard_normal(3))
    _, delta = rule.update(view, rule.init(weight), dt=rule.dt or 1.0)
    slot = found.subject.problem.lifetime.slots[0]
    edge = found.subject.problem.lifetime.wiring().edges[0]
    zeroed = found.theta["rules"]["rule"]
    state = slot.rule.init_state(zeroed, edge.connection)
    _, expected = slot.rule.step(zeroed, state, edge.connection, view, rule.dt or 1.0)
    np.testing.assert_allclose(delta, expected, rtol=1e-6, atol=1e-9)
    assert formula(file.document, file.tensors).count("post") == 2
    full = found.subject.file
    assert file.document["provenance"]["seed"] == 7
    assert file.document["provenance"]["sparse"] == {
        "from": checksum(full.document, full.tensors),
        "terms": 2,
        "of": 9,
        "refitted": 0,
    }


def test_edges_share_the_terms_that_any_of_them_keeps() -> None:
    rule = Polynomial(terms=("error*pre", "weight", "pre"), initial=(-1.0, 0.0, 0.5))
    lifetime = lifetime_of(rule, shared=False, hidden=(3,))
    theta = MetaProblem(lifetime, MeanLoss()).init(jax.random.key(0))
    edges = theta["rules"]["rule"]
    edges["input_to_hidden_1"] = {"coefficients": np.array([0.0, 0.0, -0.5], np.float32)}
    edges["hidden_1_to_output"] = {"coefficients": np.array([1.0, 0.2, -0.5], np.float32)}
    fewer, narrow = narrowed(lifetime, theta)
    of_slot: Any = fewer.slots[0].rule
    assert of_slot.terms == ("error*pre", "weight")
    rules = narrow["rules"]["rule"]
    np.testing.assert_array_equal(rules["input_to_hidden_1"]["coefficients"], [-1.0, 0.0])
    np.testing.assert_array_equal(
        rules["hidden_1_to_output"]["coefficients"], np.array([0.0, 0.2], np.float32)
    )


def narrowed_rule(rule: AbstractRule, theta: Theta) -> tuple[Any, Theta]:
    """The narrowed rule of one slot and its theta."""
    lifetime = lifetime_of(rule)
    fewer, narrow = narrowed(lifetime, {"rules": {"rule": theta}})
    return fewer.slots[0].rule, narrow["rules"]["rule"]


def test_a_trace_goes_with_its_terms() -> None:
    rule = TraceTaylor(terms=("pre*post_trace", "post*pre_trace"), learn_tau=True)
    theta = {
        "coefficients": np.array([0.0, 2.0]),
        "log_tau_pre_trace": np.array(0.1),
        "log_tau_post_trace": np.array(0.2),
    }
    fewer, narrow = narrowed_rule(rule, theta)
    assert fewer.terms == ("post*pre_trace",)
    assert set(narrow) == {"coefficients", "log_tau_pre_trace"}


def test_a_rule_keeps_its_zeros_where_it_would_see_other_spikes() -> None:
    """Without its term of the score, it is a rule of spike times."""
    rule = TraceTaylor(terms=("post*pre_trace", "score*pre_trace"))
    theta = {"coefficients": np.array([1.0, 0.0])}
    fewer, narrow = narrowed_rule(rule, theta)
    assert fewer == rule
    np.testing.assert_array_equal(narrow["coefficients"], [1.0, 0.0])


def test_a_part_without_terms_holds_one_with_the_coefficient_0() -> None:
    first = Polynomial(terms=("post*pre", "pre"))
    second = Polynomial(terms=("weight", "post"), initial=(0.5, 0.0))
    rule = Sum(rules=(("first", first), ("second", second)))
    theta = {
        "first": {"coefficients": np.array([0.0, 1.0])},
        "second": {"coefficients": np.array([-0.5, 0.0])},
    }
    fewer, narrow = narrowed_rule(rule, theta)
    parts = dict(fewer.rules)
    assert parts["first"].terms == ("pre",)
    assert parts["second"].terms == ("weight",)
    np.testing.assert_array_equal(narrow["second"]["coefficients"], [0.0])


def test_a_refit_holds_what_was_taken_out() -> None:
    subject = near_oja()
    c = np.array(subject.theta["rules"]["rule"]["coefficients"])
    c[TERMS.index("post*pre")] = 0.8
    theta = {**subject.theta, "rules": {"rule": {"coefficients": c}}}
    outer = decode("outer", {"name": "bptt", "steps": 20, "learning_rate": 0.2})
    found = parsimony(replace(subject, theta=theta), n_lives=64, n_heldout=64, outer=outer)
    assert found is not None and found.refit is not None
    assert found.steps == 20 and found.refit.by.low > 0
    assert found.heldout.by.low > 0
    kept = found.front[found.chosen].kept
    for place, one in enumerate(found.terms):
        number = found.theta["rules"]["rule"]["coefficients"][one.place]
        assert (number == np.float32(one.zero)) == (place not in kept)
    file = sparse_rule(found)
    (ancestor,) = file.document["ancestry"]
    assert ancestor["change"] == "made sparse"
    assert len(ancestor["sha256"]) == 64
    assert file.document["provenance"]["sparse"]["refitted"] == 20
    assert set(file.document["slots"]["rule"]["rule"]["rule"]["terms"]) == kept_terms(found)


def test_the_page_names_what_carries_the_score(found: Parsimony, tmp_path: Path) -> None:
    subject = near_oja()
    knocked = ablation(subject, n_lives=64)
    assert knocked is not None
    made = part(knocked, found, sparse_rule(found), tmp_path)
    words = " ".join(made.section.paragraphs)
    assert "carried by 2 terms: post*pre" in words
    assert "2 of 9 are enough" in words and "not refitted" in words
    assert all(figure.path.is_file() for figure in made.section.figures)
    assert made.numbers["parsimony"]["chosen"] == 7
    assert {verdict(knocked, one) for one in knocked.alone} >= {"helps"}
    assert part(None, None, None, tmp_path).numbers == {}
