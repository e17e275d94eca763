"""Coefficients over seeds against NumPy and SciPy formulas, and their path against the numbers
logged.
"""

import numpy as np
import pytest
from scipy import stats

from metaplast.language.account import plain
from metaplast.results import coefficients
from metaplast.spec import decode

TERMS = ["post*pre", "post^2*weight"]
SPEC = {"name": "polynomial", "terms": TERMS, "initial": [1.0, -1.0], "rate": 0.1, "learn": "both"}


def document(rule=SPEC):
    account = plain(decode("rule", rule).account())
    slot = {"shared": False, "rule": rule, "account": account, "connections": {"a": {}, "b": {}}}
    return {"slots": {"rule": slot}}


def tensors(*numbers):
    return {
        f"rule.{edge}.{leaf}": np.asarray(value, np.float32)
        for edge, (c, log) in zip("ab", numbers, strict=True)
        for leaf, value in (("coefficients", c), ("log_rate", log))
    }


def test_numbers_as_they_act():
    terms, constants = coefficients.acting(
        document(), tensors(([0.5, 0.0], 0.2), ([0.0, 0.25], 0.0))
    )
    assert terms == {
        "rule/a": dict(zip(TERMS, (1.5, -1.0), strict=True)),
        "rule/b": {TERMS[0]: 1.0, TERMS[1]: -0.75},
    }
    assert constants["rule/a"]["rate"] == pytest.approx(0.1 * np.e, rel=1e-6)
    assert constants["rule/b"]["rate"] == pytest.approx(0.1)


def test_a_constant_inside_wrappers_is_found():
    adam = {
        "name": "adam",
        "rate": 0.003,
        "rule": {**SPEC, "learn": "none"},
        "b1": 0.9,
        "b2": 0.99,
        "eps": 1e-4,
    }
    rule = {"name": "clip", "limit": 0.2, "rule": adam}
    result = coefficients.acting(
        document(rule), {f"rule.{e}.log_rate": np.float32(-0.2) for e in "ab"}
    )
    assert result[1]["rule/a"] == {"rate": pytest.approx(0.003 / np.e, rel=1e-6)}


def test_interval_over_seeds_is_students():
    values = [0.1, 0.4, 0.35, 0.2]
    result = coefficients.over_seeds([{"rule": {"pre": v}} for v in values])["rule"]["pre"]
    half = stats.t.ppf(0.975, 3) * np.std(values, ddof=1) / 2.0
    assert result == pytest.approx(
        (np.mean(values), np.mean(values) - half, np.mean(values) + half, 4), rel=1e-5
    )


def test_the_path_follows_the_order_of_the_leaf_names():
    like = tensors(([0.0, 0.0], 0.0), ([0.0, 0.0], 0.0))
    logged = [
        [0.5, 0.1, 0.2, -0.5, -0.1, 0.0],
        [1.0, "nan", 0.0, 0.0, 0.0, 0.2],
    ]  # a: c, log; b: c, log
    terms, constants = coefficients.path(document(), like, logged)
    assert terms["rule/a"][TERMS[0]] == [1.5, 2.0]
    assert terms["rule/b"][TERMS[0]] == [0.5, 1.0]
    assert np.isnan(terms["rule/a"][TERMS[1]][1])
    assert constants["rule/a"]["rate"] == pytest.approx([0.1 * np.e, 0.1])
    assert constants["rule/b"]["rate"] == pytest.approx([0.1, 0.1 * np.e])
    with pytest.raises(ValueError, match="5 numbers instead of 6"):
        coefficients.path(document(), like, [logged[0][:5]])


def test_leaves_of_a_rule_without_terms():
    result = coefficients.leaves(
        document({"name": "mlp"}), {"rule.a.w": np.ones(3), "rule.b.w": np.zeros(2)}
    )
    assert list(result) == ["rule.a.w", "rule.b.w"]
    assert not coefficients.leaves(document(), tensors(([0, 0], 0), ([0, 0], 0)))
