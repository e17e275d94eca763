"""`taylor N of a b ...` is every product of powers up to N, and nothing else."""

import itertools

import numpy as np
import pytest

from metaplast.connections.dense import Dense
from metaplast.language.grammar import expand, parse
from metaplast.registry import BadInput
from metaplast.rules.polynomial import Polynomial
from tests.rules._drive import drive


@pytest.mark.parametrize(
    ("order", "signals"), [(1, ("post",)), (2, ("post", "pre", "weight")), (3, ("error", "weight"))]
)
def test_a_family_is_every_product_of_powers(order, signals):
    terms = expand([f"taylor {order} of {' '.join(signals)}"])
    powers = set(itertools.product(range(order + 1), repeat=len(signals)))
    seen = []
    for term in terms:
        (product,) = parse(term)
        assert product.scale == 1.0
        power_of = dict(product.factors)
        seen.append(tuple(power_of.get(s, 0) for s in signals))
    assert sorted(seen) == sorted(powers)


def test_a_family_stands_among_other_terms_and_acts():
    rule = Polynomial(
        terms=("post*pre", "taylor 1 of pre weight"),
        initial=(0.0, 1.0, 2.0, 3.0, 4.0),
        rate=1.0,
        learn="none",
    )
    assert rule.terms == ("post*pre", "1", "weight", "pre", "pre*weight")
    x = 0.3
    w = 0.5
    delta, _ = drive(rule, Dense(1, 1), np.full((1, 1), x), np.ones((1, 1)), dt=1e-3, weight=w)
    np.testing.assert_allclose(delta[0, 0, 0], 1.0 + 2.0 * w + 3.0 * x + 4.0 * x * w, rtol=1e-6)


@pytest.mark.parametrize(
    ("term", "words"),
    [
        ("taylor 2 of post pots", "did you mean 'post'"),
        ("taylor 0 of post", "an order of 1 to 8"),
        ("taylor 99 of post", "an order of 1 to 8"),
        ("taylor 2 of post post", "distinct signals"),
        ("taylor 8 of post pre error weight", "at most 4096 terms"),
    ],
)
def test_a_family_that_cannot_be_is_refused(term, words):
    with pytest.raises(BadInput, match=words):
        expand([term])


def test_a_term_that_a_family_holds_already_stands_twice():
    with pytest.raises(ValueError, match="stands twice"):
        Polynomial(terms=("post", "taylor 1 of post"))


LEARNT = {
    "none": set(),
    "coefficients": {"coefficients"},
    "rate": {"log_rate"},
    "both": {"coefficients", "log_rate"},
}
MOVED = {"coefficients": np.asarray([0.25, 0.5]), "log_rate": np.asarray(0.1)}
CONTAINED = [("none", "none"), ("rate", "none"), ("rate", "rate")]
CONTAINED += itertools.product(("coefficients", "both"), LEARNT)


def _acts(rule: Polynomial, theta: dict[str, np.ndarray]) -> np.ndarray:
    """rate exp(5 log_rate) c_k of every term."""
    c = np.asarray(rule.initial) + theta.get("coefficients", 0.0)
    return rule.rate * np.exp(5.0 * theta.get("log_rate", 0.0)) * c


@pytest.mark.parametrize("wide", LEARNT)
@pytest.mark.parametrize("narrow", LEARNT)
def test_a_list_of_terms_holds_another_where_its_theta_can_get_there(wide, narrow):
    inner = Polynomial(terms=("pre", "2*post*pre"), initial=(0.5, -0.25), rate=0.2, learn=narrow)
    rate = 0.05 if wide == "none" else 0.1  # nothing moves: the same rule already
    outer = Polynomial(
        terms=("post*pre", "weight", "pre"), initial=(-2.0, 0.0, 2.0), rate=rate, learn=wide
    )
    theta = {name: MOVED[name] for name in LEARNT[narrow]}
    placed = outer.embed(inner, theta, {})
    if (wide, narrow) in CONTAINED:
        assert placed is not None
        assert placed.keys() == LEARNT[wide]
        pre, post_pre = _acts(inner, theta)
        np.testing.assert_allclose(
            _acts(outer, placed), [2.0 * post_pre, 0.0, pre], rtol=1e-12, atol=1e-15
        )
    else:
        assert placed is None
    opposite = Polynomial(terms=inner.terms, initial=(-0.5, 0.25), rate=0.2, learn="none")
    assert (outer.embed(opposite, {}, {}) is None) == ("coefficients" not in LEARNT[wide])
