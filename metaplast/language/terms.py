"""Lists of terms as linear algebra.

A list may span another list. The products of a list are folded into few outer products.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache, partial
from typing import Annotated

import jax.numpy as jnp
import numpy as np
from annotated_types import MinLen
from jax import Array
from pydantic import BeforeValidator

from metaplast.connections.base import Term
from metaplast.language.grammar import Product, expand, parse

EXACT = 1e-10
"""A relative difference below which two terms are the same."""

Factors = tuple[tuple[str, int], ...]
"""Signals of one side with their powers."""

SignalValues = Callable[[str], Array]
"""The values [n] behind the name of a signal of one side, or a scalar."""

Joint = Callable[[Factors], Array | None]
"""The product [n] of factors of one side; None where there are no factors."""


def _expanded(terms: object) -> object:
    """The terms with every `taylor N of ...` written out. pydantic refuses anything but text."""
    if isinstance(terms, tuple) and all(isinstance(term, str) for term in terms):
        return expand(terms)
    return terms


Terms = Annotated[tuple[str, ...], BeforeValidator(_expanded), MinLen(1)]
"""The annotation of a field that lists terms as text."""


@lru_cache(maxsize=256)
def products(terms: tuple[str, ...], traces: bool) -> tuple[tuple[int, Product], ...]:
    """(index of the term, product) of every product of all terms.

    Args:
        terms: text in the grammar of language/grammar.py.
        traces: whether a term may read traces of spikes.
    """
    pairs = []
    for index, term in enumerate(terms):
        for product in parse(term, traces):
            pairs.append((index, product))
    return tuple(pairs)


def signals_of(terms: tuple[str, ...], traces: bool) -> frozenset[str]:
    """The names of all signals that the terms read.

    Args:
        terms: text in the grammar of language/grammar.py.
        traces: whether a term may read traces of spikes.
    """
    names: set[str] = set()
    for _, product in products(terms, traces):
        names.update(dict(product.factors))
    return frozenset(names)


def combination(basis: Sequence[str], others: Sequence[str]) -> np.ndarray | None:
    """The matrix S [n_basis, n_others] with other term k = sum_j S_jk basis term j.

    Terms are vectors over products of signals. So `0.01*weight` is along `weight`, and
    `post*pre - post*predicted` is in the span of its two products.

    Args:
        basis: the terms that are combined.
        others: the terms that are to be reached.

    Returns: S, or None where one of the other terms is not in the span of the basis.
    """
    vectors = list(map(_vector, (*basis, *others)))
    rows = _rows(vectors)
    matrix = np.zeros((len(rows), len(vectors)))
    for column, vector in enumerate(vectors):
        for factors, scale in vector.items():
            matrix[rows[factors], column] = scale
    left = matrix[:, : len(basis)]
    right = matrix[:, len(basis) :]
    shares = np.linalg.lstsq(left, right, rcond=None)[0]
    shares[np.abs(shares) < EXACT] = 0.0
    if not np.allclose(left @ shares, right, rtol=EXACT, atol=EXACT):
        return None
    return shares


def _vector(term: str) -> dict[Factors, float]:
    """{factors: scale} of the products of a term."""
    return {product.factors: product.scale for product in parse(term, traces=True)}


def _rows(vectors: Iterable[dict[Factors, float]]) -> dict[Factors, int]:
    """{factors: row} of all vectors as a matrix, in the order of their first occurrence."""
    rows: dict[Factors, int] = {}
    for vector in vectors:
        for factors in vector:
            rows.setdefault(factors, len(rows))
    return rows


def fold(
    weighted: list[tuple[Product, Array]], signal: SignalValues, joint: Joint | None = None
) -> list[Term]:
    """sum_k c_k product_k as few outer products.

    Products with the same factors on one side and the same power of w share one term. Scalars
    (coefficients and modulators) are summed first. Then the vectors of the other side are summed as
    one small matrix product. No feature of a synapse is ever stored. The matrix product keeps the
    compiler from computing the sums again at each synapse. With 27 terms on 100 x 100 synapses it
    is 2.1 times as fast as summing the vectors one by one.

    Args:
        weighted: (product_k, c_k []) of every product.
        signal: the values of a signal.
        joint: the product of the factors of one side, where it is not `multiplied`.

    Returns: the terms whose outer products sum to the change of weight.
    """
    joint = joint or partial(multiplied, signal=signal)
    shared = _side_with_fewest_groups([product for product, _ in weighted])
    other = "pre" if shared == "post" else "post"
    groups: dict[tuple[int, Factors], dict[Factors, Array]] = {}
    for product, coefficient in weighted:
        value = coefficient * product.scale
        for name, power in product.side("modulator"):
            value = value * signal(name) ** power
        group = groups.setdefault((product.weight_power, product.side(shared)), {})
        factors = product.side(other)
        if factors in group:
            value = group[factors] + value
        group[factors] = value
    terms = []
    for (power, factors), members in groups.items():
        common = joint(factors)
        summed = _summed(members, jnp.ones_like(signal(other)), joint)
        if shared == "post":
            terms.append(Term(common, summed, power))
        else:
            terms.append(Term(summed, common, power))
    return terms


def _side_with_fewest_groups(members: list[Product]) -> str:
    """The side, post or pre, with the fewest distinct pairs of factors and power of w."""

    def n_groups(side: str) -> int:
        return len({(product.weight_power, product.side(side)) for product in members})

    return min(("post", "pre"), key=n_groups)


def _summed(members: dict[Factors, Array], ones: Array, joint: Joint) -> Array:
    """sum over factors of coefficient * product of the factors, [n]."""
    matrix = []
    for factors in members:
        column = joint(factors)
        if column is None:
            column = ones
        matrix.append(column)
    coefficients = list(members.values())
    if len(coefficients) == 1:
        return coefficients[0] * matrix[0]
    return jnp.stack(coefficients) @ jnp.stack(matrix)


def multiplied(factors: Factors, signal: SignalValues) -> Array | None:
    """The product [n] of the signals of one side to their powers.

    Args:
        factors: the signals with their powers.
        signal: the values of a signal.

    Returns: the product, or None where there are no factors.
    """
    result: Array | None = None
    for name, power in factors:
        values = signal(name)
        if power > 1:
            values = values**power
        result = values if result is None else result * values
    return result
