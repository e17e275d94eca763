"""Lists of terms as linear algebra.

A list may span another list. The products of a list are folded into few outer products.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache, partial
from typing import Annotated

import jax
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

_Numbered = tuple[int, Product]
"""The number of a term, and one of its products."""

_Group = tuple[int, Factors, Factors]
"""The power of w, the other factors of the synapse, and the factors of the shared side."""

_Members = dict[Factors, list[_Numbered]]
"""The products of a group by their factors of the other side."""

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
    products: Sequence[_Numbered],
    coefficients: Array,
    signal: SignalValues,
    joint: Joint | None = None,
) -> list[Term]:
    """sum_k c_k term_k as few outer products.

    Products with the same factors on one side and the same power of w share one term. Scalars
    (coefficients and modulators) are summed first. Then the vectors of the other side are summed as
    one small matrix product. No feature of a synapse is ever stored. The matrix product keeps the
    compiler from computing the sums again at each synapse. With 27 terms on 100 x 100 synapses it
    is 2.1 times as fast as summing the vectors one by one.

    Args:
        products: (k, product) of every product of every term.
        coefficients: c [n_terms].
        signal: the values of a signal.
        joint: the product of the factors of one side, where it is not `multiplied`.

    Returns: the terms whose outer products sum to the change of weight.
    """
    joint = joint or partial(multiplied, signal=signal)
    shared = _side_with_fewest_groups([product for _, product in products])
    other = "pre" if shared == "post" else "post"
    groups = _groups(products, shared, other)
    alike: dict[tuple[Factors, ...], list[_Group]] = {}
    for group, members in groups.items():
        alike.setdefault(tuple(members), []).append(group)
    ones = jnp.ones_like(signal(other))
    sides: dict[_Group, tuple[Array | None, Array | None]] = {}
    for basis, names in alike.items():
        scalars = _scalars([groups[name] for name in names], coefficients, signal)
        vectors = [joint(factors) for factors in basis]
        common = [joint(name[2]) for name in names]
        sides.update(zip(names, _sides(scalars, vectors, common, ones), strict=True))
    terms = []
    for group in groups:
        power, synaptic, _ = group
        post, pre = sides[group]
        if shared == "pre":
            post, pre = pre, post
        terms.append(Term(post, pre, power, synapse=multiplied(synaptic, signal)))
    return terms


def _groups(products: Sequence[_Numbered], shared: str, other: str) -> dict[_Group, _Members]:
    """{group: its products by their factors of the other side}.

    Args:
        products: (k, product) of every product of every term.
        shared: the side whose factors are those of the group.
        other: the other side.
    """
    groups: dict[_Group, _Members] = {}
    for k, product in products:
        group = (product.weight_power, product.synaptic, product.side(shared))
        members = groups.setdefault(group, {})
        members.setdefault(product.side(other), []).append((k, product))
    return groups


def _sides(
    scalars: Array, vectors: Sequence[Array | None], common: Sequence[Array | None], ones: Array
) -> list[tuple[Array | None, Array | None]]:
    """(The vector of the shared side, that of the other side) of every group.

    Args:
        scalars: [n_groups, n_vectors].
        vectors: of the other side [n]; None: ones.
        common: the vector of the shared side of every group; None: ones.
        ones: [n] of the other side.
    """
    filled = []
    for vector in vectors:
        filled.append(ones if vector is None else vector)
    if len(filled) > 1:
        return list(zip(common, _split(scalars @ jnp.stack(filled)), strict=True))
    sides: list[tuple[Array | None, Array | None]] = []
    for of_shared, scalar in zip(common, _split(scalars), strict=True):
        if vectors[0] is None and of_shared is not None:
            # A vector of equal numbers would cost a gradient one more sum over synapses.
            sides.append((scalar * of_shared, None))
        else:
            sides.append((of_shared, scalar * filled[0]))
    return sides


def _scalars(groups: Sequence[_Members], coefficients: Array, signal: SignalValues) -> Array:
    """Sums over the products with equal factors of c_k * scale * modulators: [n_groups, n_vectors].

    All are computed at once. As scalars one by one they were a hundred small operations, which XLA
    hands from thread to thread: a gradient of 27 terms on 100 x 100 synapses changed threads up to
    500 times in a life of 240 steps, and its time jumped between two values.

    Args:
        groups: the products of every group, by the same factors.
        coefficients: c [n_terms].
        signal: the values of a signal.
    """
    shape = (len(groups), len(groups[0]))
    scales: dict[Factors, np.ndarray] = {}
    for row, members in enumerate(groups):
        for column, alike in enumerate(members.values()):
            for k, product in alike:
                modulators = product.side("modulator")
                shares = scales.setdefault(modulators, np.zeros((*shape, coefficients.size)))
                shares[row, column, k] += product.scale
    flat = np.concatenate([shares.reshape(-1, coefficients.size) for shares in scales.values()])
    spread = jnp.asarray(flat, coefficients.dtype) @ coefficients
    total: Array | None = None
    for modulators, values in zip(scales, _split(spread.reshape(len(scales), -1)), strict=True):
        for name, power in modulators:
            values = values * signal(name) ** power
        total = values if total is None else total + values
    assert total is not None
    return total.reshape(shape)


def _split(matrix: Array) -> list[Array]:
    """The rows of a matrix.

    The gradient of a split is one concatenation. The gradient of a slice is padded to the whole
    matrix at every step.
    """
    return [row[0] for row in jax.lax.split(matrix, (1,) * len(matrix))]


def _side_with_fewest_groups(members: list[Product]) -> str:
    """The side, post or pre, with the fewest distinct pairs of factors and power of w."""

    def n_groups(side: str) -> int:
        kinds = {(one.weight_power, one.synaptic, one.side(side)) for one in members}
        return len(kinds)

    return min(("post", "pre"), key=n_groups)


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
