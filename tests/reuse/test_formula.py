"""A printed formula does what the numbers of the rule do."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metaplast.language.account import Account
from metaplast.language.grammar import MAX_POWER, SIGNALS, TRACES, Product, parse, show
from metaplast.registry import BadInput
from metaplast.reuse import formula as f
from metaplast.reuse.known import known_rule, known_rules
from metaplast.reuse.node import Node, node
from metaplast.reuse.rule_file import read_rule
from metaplast.spec import decode, encode


def node_from(spec: dict, theta: Any) -> Node:
    """The node of a spec, with the account of its code."""
    return node(spec, decode("rule", spec).account(), theta)


def expression(spec: dict, theta: Any) -> f.Expression:
    return f.expression(node_from(spec, theta))


channels = st.from_regex(r"modulator\.[A-Za-z][A-Za-z0-9_]{0,8}", fullmatch=True)
names = st.sampled_from(sorted(SIGNALS)) | channels
numbers = st.floats(allow_nan=False, allow_infinity=False)


def _products(most: int) -> st.SearchStrategy[Product]:
    factors = st.dictionaries(names, st.integers(1, MAX_POWER), max_size=most).map(
        lambda d: tuple(sorted(d.items()))
    )
    return st.builds(Product, numbers, factors)


@given(_products(6))
@settings(deadline=None)
def test_parse_of_show_is_the_product(product: Product) -> None:
    assert parse(show(product)) == (product,)


@given(st.lists(_products(3), min_size=1, max_size=4))
@settings(deadline=None)
def test_parse_of_a_shown_sum(terms: list[Product]) -> None:
    assert parse(" + ".join(show(p) for p in terms).replace("+ -", "- ")) == tuple(terms)


def test_power_has_one_limit_however_it_is_written() -> None:
    assert parse("*".join(["pre"] * MAX_POWER)) == parse(f"pre^{MAX_POWER}")
    with pytest.raises(BadInput, match="power"):
        parse("*".join(["pre"] * (MAX_POWER + 1)))


@pytest.mark.parametrize(
    "power", ["", "-1", "0", "x", "1.5", "²", "٣", "1000", "10000000000000", "2 2", "^2"]
)
def test_what_is_no_power_is_refused(power: str) -> None:
    with pytest.raises(BadInput, match=r"power .* - expected an integer from 1 to"):
        parse(f"pre^{power}")


@pytest.mark.parametrize("name", TRACES)
def test_traces_are_signals_only_where_a_rule_keeps_them(name: str) -> None:
    assert parse(f"2*{name}^3", traces=True) == (Product(2.0, ((name, 3),)),)
    with pytest.raises(BadInput, match=f"signal '{name}' .* - rule trace_taylor keeps traces"):
        parse(f"2*{name}^3")


def poly(terms: list[str], initial: list[float], rate: float = 0.5, learn: str = "both") -> dict:
    return {"name": "polynomial", "terms": terms, "initial": initial, "rate": rate, "learn": learn}


def test_known_sum() -> None:
    theta = {"coefficients": np.array([0.2, 0.1, 0.0, 1e-6]), "log_rate": np.array(0.2)}
    spec = poly(
        ["error*pre", "post*pre - 2*post*predicted", "weight", "post"], [-1.0, 0.0, 0.0, 0.0]
    )
    text = f.text(expression(spec, theta))
    terms = "-0.8000*error*pre - 0.2000*post*predicted + 0.1000*post*pre"
    # The coefficient 0 of `weight` is no small term: it was taken out.
    assert text == f"{0.5 * np.e:.4g} * ({terms}) [1 smaller terms]"
    assert f.rule_terms(node_from(spec, theta)) == pytest.approx(
        {"error*pre": -0.8, "post*pre - 2*post*predicted": 0.1, "weight": 0.0, "post": 1e-6}
    )


def test_terms_that_were_taken_out_are_not_printed() -> None:
    spec = poly(["post*pre", "pre", "weight"], [0.5, 0.0, 0.0], learn="none")
    assert f.text(expression(spec, {})) == "0.5 * (0.5000*post*pre)"
    nothing = poly(["post*pre", "pre"], [0.0, 0.0], learn="none")
    assert f.text(expression(nothing, {})) == "0"


def test_equal_products_are_merged() -> None:
    spec = poly(["post*pre - post", "post"], [1.0, 1.0], learn="none")
    assert f.text(expression(spec, {})) == "0.5 * (1.000*post*pre) [1 smaller terms]"


def test_small_terms_are_judged_in_their_own_unit() -> None:
    """0.01*weight with c = 0.1 counts as much as any other term with c = 0.1.

    A product whose shares cancel is left out.
    """
    spec = poly(
        ["pre", "0.001*weight", "post", "post - error"],
        [1.0, 0.1, -0.5, 0.5001],
        rate=1.0,
        learn="none",
    )
    assert (
        f.text(expression(spec, {}))
        == "1 * (1.000*pre - 0.5001*error + 0.0001000*weight) [1 smaller terms]"
    )


def test_only_what_is_learnt_is_added() -> None:
    theta = {"coefficients": np.array([5.0]), "log_rate": np.array(1.0)}
    assert f.text(expression(poly(["pre"], [1.0], learn="none"), theta)) == "0.5 * (1.000*pre)"
    assert (
        f.text(expression(poly(["pre"], [1.0], learn="coefficients"), theta)) == "0.5 * (6.000*pre)"
    )
    assert f.text(expression(poly(["pre"], [], learn="none"), theta)) == "0"


@given(st.lists(st.floats(-1e3, 1e3), min_size=4, max_size=4))
@settings(deadline=None)
def test_brackets_are_in_the_grammar(values: list[float]) -> None:
    spec = poly(["error*pre", "post*pre", "weight^2", "1"], values, rate=1.0, learn="none")
    shown = expression(spec, {})
    text = f.text(shown)
    if isinstance(shown, f.TermSum) and shown.products:
        inside = text[text.index("(") + 1 : text.index(")")]
        back = parse(inside)
        assert [p.factors for p in back] == [p.factors for p in shown.products]
        np.testing.assert_allclose(
            [p.scale for p in back], [p.scale for p in shown.products], rtol=6e-4
        )
        assert [abs(p.scale) for p in shown.products] == sorted(
            (abs(p.scale) for p in shown.products), reverse=True
        )
        assert len(shown.products) + shown.dropped == np.count_nonzero(values)


def test_wrappers_take_their_own_leaves() -> None:
    """clip learns nothing and passes theta through. adam learns a rate.

    adam keeps the theta of its inner rule under `rule`.
    """
    inner = poly(["pre"], [1.0], learn="both")
    adam = {"name": "adam", "rule": inner, "rate": 0.01, "b1": 0.9}
    theta = {
        "rule": {"coefficients": np.array([1.0]), "log_rate": np.array(0.2)},
        "log_rate": np.array(-0.2),
    }
    expected = f"adam({0.5 * np.e:.4g} * (2.000*pre); rate={0.01 / np.e:.4g}, b1=0.9)"
    assert f.text(expression(adam, theta)) == expected
    clip = {"name": "clip", "rule": adam, "limit": 0.2}
    assert f.text(expression(clip, theta)) == f"clip({expected}; limit=0.2)"
    assert f.rule_terms(node_from(clip, theta)) == {"pre": 2.0}
    bare = {"name": "adam", "rule": poly(["pre"], [1.0], learn="none"), "rate": 0.01}
    assert (
        f.text(expression(bare, {"log_rate": np.array(0.2)}))
        == f"adam(0.5 * (1.000*pre); rate={0.01 * np.e:.4g})"
    )
    flat = {"name": "clip", "rule": inner, "limit": 0.2}
    assert (
        f.text(expression(flat, theta["rule"]))
        == f"clip({0.5 * np.e:.4g} * (2.000*pre); limit=0.2)"
    )


def test_a_mapping_of_rules() -> None:
    spec = {
        "name": "sum",
        "rules": {"a": poly(["pre"], [1.0], learn="none"), "b": poly(["pre", "post"], [2.0, 3.0])},
    }
    theta = {"b": {"coefficients": np.array([1.0, 0.0]), "log_rate": np.array(0.0)}}
    assert (
        f.text(expression(spec, theta)) == "sum(0.5 * (1.000*pre), 0.5 * (3.000*pre + 3.000*post))"
    )
    assert f.rule_terms(node_from(spec, theta)) == {"a: pre": 1.0, "b: pre": 3.0, "b: post": 3.0}


def test_card_of_a_form_without_terms() -> None:
    spec = {"name": "mlp", "inputs": ["pre", "post"], "hidden": [3], "rate": 0.1}
    theta = {
        "layer_0": {"weight": np.zeros((3, 2)), "bias": np.zeros(3)},
        "layer_1": {"weight": np.zeros((1, 3)), "bias": np.zeros(1)},
    }
    text = f.text(expression(spec, theta))
    assert text.startswith(
        "mlp(13 numbers: layer_0.weight[3, 2], layer_0.bias[3], layer_1.weight[1, 3]"
    )
    assert text.endswith("; inputs=[pre, post], hidden=[3], rate=0.1, learnt layer_1.bias=0)")
    stdp = {"name": "stdp", "tau_pre": 0.02, "depression": 0.01, "learn": True}
    learnt = {"log_tau_pre": np.array(0.2), "log_depression": np.array(0.0)}
    shown = f"stdp(2 numbers; tau_pre={0.02 * np.e:.4g}, depression=0.01, learn=True)"
    assert f.text(expression(stdp, learnt)) == shown
    assert f.rule_terms(node_from(stdp, learnt)) == {}


def test_formula_of_a_file_per_edge(files) -> None:
    file = read_rule(files["per_edge"])
    lines = f.formula(file.document, file.tensors).splitlines()
    assert [line.partition(" = ")[0] for line in lines] == [
        "delta_w[rule/input_to_hidden_1]",
        "delta_w[rule/hidden_1_to_output]",
    ]
    for line in lines:
        assert line.partition(" = ")[2].startswith("clip(adam(")
    found = f.terms(file.document, file.tensors)["rule/hidden_1_to_output"]
    np.testing.assert_allclose(
        list(found.values()), file.tensors["rule.hidden_1_to_output.rule.coefficients"], rtol=1e-6
    )


def test_fields_from_terms() -> None:
    def fields(spec: dict) -> frozenset[str] | None:
        return f.fields(node_from(spec, {}))

    assert fields(known_rule("oja_subspace")) == {"pre.activity", "post.activity", "pre.returned"}
    assert fields({"name": "clip", "rule": known_rule("delta")}) == {
        "pre.activity",
        "post.feedback",
    }
    assert fields(poly(["modulator.reward*pre"], [])) == {"modulators.reward", "pre.activity"}
    assert fields({"name": "mlp"}) is None
    assert (
        fields({"name": "three_factor", "modulator": "reward", "rule": known_rule("hebb")}) is None
    )


def test_latex() -> None:
    spec = poly(
        ["modulator.reward_a*pre^2", "post*predicted"], [2e-9, 1e-9], rate=1e-5, learn="none"
    )
    assert f.latex(expression(spec, {})) == (
        r"1\times 10^{-5} \left(2.000\times 10^{-9}\, M_{\text{reward\_a}}\, {x_i}^{2}"
        r" + 1.000\times 10^{-9}\, y_j\, \hat{x}_i\right)"
    )
    call = f.latex(expression({"name": "clip", "rule": poly(["pre"], [1.0]), "limit": 0.2}, {}))
    assert (
        call == r"\operatorname{clip}\left(0.5 \left(1.000\, x_i\right);\; \text{limit}=0.2\right)"
    )
    hostile = f.latex(
        f.expression(node({"name": "mlp", "note": r"\input{/etc/passwd}" + "\x1b"}, Account(), {}))
    )
    assert r"\input" not in hostile
    assert hostile.isprintable()


def test_latex_of_nothing_and_of_a_tree() -> None:
    assert f.latex(expression(poly(["pre"], [0.0], learn="none"), {})) == "0"
    tree = encode(
        decode("rule", {"name": "symbolic", "expression": "post*(pre - post)/2", "learn": "none"})
    )
    assert f.latex(expression(tree, {})).endswith(
        r"\left(\frac{y_j\, \left(x_i - y_j\right)}{2}\right)"
    )


def test_every_signal_has_a_symbol() -> None:
    spec = poly(list(SIGNALS), [1.0] * len(SIGNALS), learn="none")
    assert f.latex(expression(spec, {})).count(r"\, ") == len(SIGNALS)


def test_taylor_has_27_distinct_terms() -> None:
    assert len({parse(term) for term in known_rule("taylor")["terms"]}) == 27
    assert set(known_rules()) >= {
        "hebb",
        "anti_hebb",
        "oja",
        "oja_subspace",
        "delta",
        "taylor",
        "feedback_pool",
    }
