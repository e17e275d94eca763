"""`taylor N of a b ...` is every product of powers up to N, and nothing else."""

import itertools

import numpy as np
import pytest

from metaplast.connections.dense import Dense
from metaplast.registry import BadInput
from metaplast.rules._grammar import expand, parse
from metaplast.rules.polynomial import Polynomial
from tests.rules._drive import drive


@pytest.mark.parametrize(
    ("order", "signals"), [(1, ("post",)), (2, ("post", "pre", "weight")), (3, ("error", "weight"))]
)
def test_a_family_is_every_product_of_powers(order, signals):
    found = expand([f"taylor {order} of {' '.join(signals)}"])
    powers = set(itertools.product(range(order + 1), repeat=len(signals)))
    seen = []
    for term in found:
        (product,) = parse(term)
        assert product.scale == 1.0
        given = dict(product.factors)
        seen.append(tuple(given.get(s, 0) for s in signals))
    assert sorted(seen) == sorted(powers)


def test_a_family_stands_among_other_terms_and_acts():
    rule = Polynomial(
        terms=("post*pre", "taylor 1 of pre weight"), initial=(0.0, 1.0, 2.0, 3.0, 4.0), rate=1.0, learn="none"
    )
    assert rule.terms == ("post*pre", "1", "weight", "pre", "pre*weight")
    x, w = 0.3, 0.5
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
