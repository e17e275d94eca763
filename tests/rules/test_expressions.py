"""Expression trees: text, code and compiled program agree. Errors name the wrong part."""

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pydantic
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metaplast.language import expression as e
from metaplast.language import machine as _machine
from metaplast.registry import BadInput
from metaplast.reuse import formula
from metaplast.reuse.ask import node_of
from metaplast.rules.symbolic import Symbolic
from metaplast.spec import build, decode, explain
from metaplast.testing.base import quick_jit
from metaplast.testing.rule import Bench, check_gradient, check_locality

SIZE = 7
LEAVES = (e.Signal("pre"), e.Signal("post"), e.Signal("weight"), e.Number(0.5))
VALUES = {"pre": 0.3, "post": -1.7, "weight": 2.2}
codes = st.tuples(*(st.integers(0, bound - 1) for bound in e.limits(len(LEAVES), SIZE)))
leaves = st.sampled_from(("pre", "post_potential", "modulator.reward", e.ELIGIBILITY)).map(
    e.Signal
) | st.floats(allow_nan=False, allow_infinity=False).map(e.Number)
trees = st.recursive(
    leaves, lambda t: st.builds(e.Apply, st.sampled_from(e.OPERATORS), t, t), max_leaves=12
)


def value(tree: e.Tree) -> float:
    if isinstance(tree, e.Number):
        return tree.value
    if isinstance(tree, e.Signal):
        return VALUES[tree.name]
    a = value(tree.left)
    b = value(tree.right)
    with np.errstate(all="ignore"):
        return {"+": a + b, "-": a - b, "*": a * b, "/": float(np.divide(a, b))}[tree.operator]


@quick_jit
def machine(code: Any) -> Any:
    leaves = []
    for leaf in LEAVES:
        value = VALUES[leaf.name] if isinstance(leaf, e.Signal) else leaf.value
        leaves.append(jnp.asarray(value))
    return _machine.run(code, leaves), _machine.n_nodes(code, len(LEAVES))


@given(codes)
@settings(deadline=None)
def test_the_machine_computes_what_the_tree_says(code: tuple[int, ...]) -> None:
    with jax.enable_x64(True):
        result, n_nodes = map(float, machine(np.asarray(code, np.float64)))
    try:
        tree = e.decode(code, LEAVES)
    except BadInput:
        assert n_nodes > e.MAX_NODES
        return
    assert n_nodes == len(list(e.nodes(tree)))
    expected = value(tree)
    if math.isfinite(expected):
        np.testing.assert_allclose(result, expected, rtol=1e-9, atol=1e-9)
    else:
        assert not np.isfinite(result)


@given(trees)
@settings(deadline=None)
def test_parse_of_show_is_the_tree(tree: e.Tree) -> None:
    text = e.show(tree)
    if len(text) <= e.MAX_LENGTH:
        assert e.parse(text) == tree


@given(codes)
@settings(deadline=None)
def test_a_tree_survives_its_code(code: tuple[int, ...]) -> None:
    try:
        tree = e.decode(code, LEAVES)
        again = e.encode(tree, LEAVES, 40)
    except BadInput:  # a tree that is too large written out, or reads its one number twice
        return
    assert e.decode([0 if gene is None else gene for gene in again], LEAVES) == tree


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("post*(pre", "closing bracket"),
        ("post*", "a number, a signal or a bracket"),
        ("post pre", "an operator or the end"),
        ("post*prre", "did you mean 'pre'"),
        ("pre^9", "power"),
        ("pre ** 2", "a number, a signal"),
        ("pre; import os", "in expression"),
        ("(" * 200 + "pre" + ")" * 200, "brackets deep|characters"),
        ("-" * 390 + "1", "fewer signs"),
        ("1e999*pre", "finite"),
        ("+".join(["pre"] * 80), "nodes"),
        ("", "a number, a signal"),
    ],
)
def test_what_is_no_expression_is_refused(text: str, words: str) -> None:
    with pytest.raises(BadInput, match=words):
        e.parse(text)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"expression": "eligibility*post"}, "an expression for it"),
        ({"eligibility": "eligibility + pre"}, "reads itself"),
        ({"inputs": ["pre"]}, "size > 0"),
        ({"size": 2, "inputs": ["pre", "post", "weight"]}, "at most size=2 operators"),
        ({"size": 5, "inputs": ["pre", "post"]}, "weight in expression"),
        ({"size": 5, "inputs": ["pre*post", "weight"]}, "single signals"),
    ],
)
def test_a_rule_that_cannot_be_is_refused(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(pydantic.ValidationError) as refused:
        build(Symbolic, fields)
    assert any(word in str(explain(refused.value)) for word in (words,))


KEPT = Symbolic(
    expression="(modulator.reward - 0.8)*eligibility/(2 + post^2)",
    eligibility="0.5*post*pre",
    tau=5e-3,
)


def test_a_rule_with_numbers_and_eligibility_is_local_and_differentiable():
    with jax.enable_x64(True):
        bench = Bench(KEPT)
        assert bench.fields == {"pre.activity", "post.activity", "modulators.reward"}
        check_locality(bench)
        check_gradient(bench)


def test_what_a_search_found_is_the_same_rule_as_its_expression():
    searched = Symbolic(
        expression="post*(pre - 0.5*post*weight)", size=6, inputs=("pre", "post", "weight")
    )
    with jax.enable_x64(True):
        bench = Bench(searched)
        theta = {**bench.theta, "code": searched.init(jax.random.key(0), None)["code"]}  # pyright: ignore
        fixed, fixed_theta = searched.settled(theta)
        assert isinstance(fixed, Symbolic)
        assert e.parse(fixed.expression).operator == "*"  # pyright: ignore
        assert fixed.size == 0
        deltas = [
            Bench(rule).live(t)["deltas"] for rule, t in ((searched, theta), (fixed, fixed_theta))
        ]
    np.testing.assert_allclose(*deltas, rtol=1e-9)
    assert fixed.settled(fixed_theta) == (fixed, fixed_theta)


def test_the_formula_shows_the_numbers_as_they_act():
    plain = {
        "name": "symbolic",
        "expression": KEPT.expression,
        "rate": 0.1,
        "eligibility": "0.5*post*pre",
        "tau": 5e-3,
    }
    theta = {"constants": np.asarray([0.2, 0.0]), "log_rate": np.asarray(0.2)}
    rule = node_of(decode("rule", plain), theta)
    shown = formula.expression(rule)
    kept = "eligibility <- exp(-dt/0.005) eligibility + 0.5*post*pre"
    assert (
        formula.text(shown)
        == f"0.2718 * ((modulator.reward - 1)*eligibility/(2 + post*post)); {kept}"
    )
    assert r"\frac{\left(M_{\text{reward}} - 1\right)\, E}{2 + y_j\, y_j}" in formula.latex(shown)
    assert formula.fields(rule) == {"pre.activity", "post.activity", "modulators.reward"}
