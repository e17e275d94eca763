"""Terms of a rule that its task cannot tell apart: null or collinear over the visited signals."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from metaplast.inspection.subject import Subject
from metaplast.inspection.visited import Visited
from metaplast.language.grammar import field_of, parse
from metaplast.reuse.document import entries
from metaplast.reuse.node import Node, coefficients, nodes, walk

ALIKE = 0.99
"""Two terms with at least this correlation cannot be told apart."""
ILL = 30.0
"""The condition index from which a combination of terms counts as near null."""
NULL = 1e-6
"""A singular value, or the size of a term, below this share of the largest counts as 0."""
SHOWN = 0.1
MOST_ROWS = 20_000


class Pair(NamedTuple):
    """Two terms with their correlation."""

    first: str
    second: str
    correlation: float


class Combination(NamedTuple):
    """A combination of terms that changes no weight, or hardly one.

    weights: {term: weight}, of terms scaled to one root mean square.
    condition: its condition index, infinite for a combination that is exactly null.
    """

    weights: dict[str, float]
    condition: float


class Collinearity(NamedTuple):
    """The terms of one rule over the signals that it visits.

    terms: the terms that are compared.
    n: the number of visits, a step of a synapse each.
    sizes: {term: root mean square of the term}.
    contributions: {term: size times |c_k|}: the part of the term in the change of weight.
    inflation: {term: factor by which the other terms inflate the variance of its coefficient}.
    null: terms that are 0 at every visit.
    alike: pairs of terms that cannot be told apart.
    combinations: exactly or nearly null combinations of terms, the worst first.
    condition: the largest condition index.
    unknown: terms that read what no visit tells, such as traces.
    """

    terms: list[str]
    n: int
    sizes: dict[str, float]
    contributions: dict[str, float]
    inflation: dict[str, float]
    null: list[str]
    alike: list[Pair]
    combinations: list[Combination]
    condition: float
    unknown: list[str]


def collinearity(subject: Subject, followed: Mapping[str, Visited]) -> dict[str, Collinearity]:
    """{entry: the collinearity of its terms}, for every rule that is a list of terms.

    Args:
        subject: the rule in its task.
        followed: {edge: the signals that its rule meets}, from `visited`.
    """
    by_entry = {}
    if not subject.file.document:
        return by_entry
    rules = nodes(subject.file.document, subject.file.tensors)
    for key, entry in entries(subject.file.document).items():
        edges = [followed[edge] for edge in entry.edges if edge in followed]
        for mark, part in walk(rules[key]):
            if part.account.shows == "terms" and edges:
                by_entry[f"{key} {mark}".strip()] = _of_rule(part, edges)
    return by_entry


def _of_rule(part: Node, edges: list[Visited]) -> Collinearity:
    signals = _joined(edges)
    columns = {}
    unknown = []
    for term in part.spec["terms"]:
        column = _column(term, signals, part.account.traces)
        if column is None:
            unknown.append(term)
        else:
            columns[term] = column
    return compare(columns, coefficients(part), unknown)


def _joined(edges: list[Visited]) -> dict[str, np.ndarray]:
    """{field: [n]} of all edges; at most MOST_ROWS visits, evenly spaced."""
    pieces = [edge.flat()[0] for edge in edges]
    joined = {}
    for field in pieces[0]:
        if all(field in piece for piece in pieces):
            values = np.concatenate([piece[field] for piece in pieces])
            joined[field] = values[:: max(1, -(-len(values) // MOST_ROWS))]
    return joined


def _column(term: str, signals: Mapping[str, np.ndarray], traces: bool) -> np.ndarray | None:
    """The values of a term at every visit; None where it reads what no visit tells."""
    n = len(next(iter(signals.values())))
    total = np.zeros(n)
    for product in parse(term, traces):
        values = np.full(n, product.scale)
        for name, power in product.factors:
            try:
                field = field_of(name)
            except (KeyError, ValueError):
                return None
            if field not in signals:
                return None
            values = values * signals[field] ** power
        total += values
    return total


def compare(
    columns: Mapping[str, np.ndarray], weights: Mapping[str, float], unknown: list[str]
) -> Collinearity:
    """The collinearity of terms, from their values.

    Columns are scaled to root mean square 1 and not centred, because a rule has no constant beside
    its terms. With G the matrix of their mean products:

        correlation_jk = G_jk
        inflation_k = (G^-1)_kk
        condition index_i = sqrt(largest eigenvalue of G / eigenvalue i)

    Args:
        columns: {term: its values [n]}.
        weights: {term: its coefficient}.
        unknown: the terms without values.

    Source:
        Belsley, Kuh & Welsch 1980, Regression Diagnostics, chapter 3.
    """
    sizes = {}
    for term, column in columns.items():
        sizes[term] = float(np.sqrt(np.mean(column**2))) if len(column) else 0.0
    largest = max(sizes.values(), default=0.0)
    null = [term for term, size in sizes.items() if size <= 1e-9 * largest]
    kept = [term for term in columns if term not in null]
    contributions = {term: size * abs(weights.get(term, 0.0)) for term, size in sizes.items()}
    n = len(next(iter(columns.values()), []))
    if not kept:
        return Collinearity([], n, sizes, contributions, {}, null, [], [], 1.0, unknown)
    design = np.stack([columns[term] / sizes[term] for term in kept], axis=1) / np.sqrt(n)
    few_rows = np.linalg.qr(design, mode="r")
    _, values, rows = np.linalg.svd(few_rows)
    values = np.concatenate([values, np.zeros(len(kept) - len(values))])
    indices = np.full(len(kept), np.inf)
    firm = values > NULL * values[0]
    indices[firm] = values[0] / values[firm]
    return Collinearity(
        kept,
        n,
        sizes,
        contributions,
        _inflation(kept, rows, values, firm),
        null,
        _pairs(kept, design.T @ design),
        _combinations(kept, rows, indices),
        float(indices[-1]),
        unknown,
    )


def _inflation(
    kept: list[str], rows: np.ndarray, values: np.ndarray, firm: np.ndarray
) -> dict[str, float]:
    """{term: variance inflation}: infinite where the term takes part in a null combination."""
    inflation = {}
    for place, term in enumerate(kept):
        if np.sum(rows[~firm, place] ** 2) > NULL:
            inflation[term] = float("inf")
        else:
            inflation[term] = float(np.sum(rows[firm, place] ** 2 / values[firm] ** 2))
    return inflation


def _pairs(kept: list[str], products: np.ndarray) -> list[Pair]:
    """The pairs of terms with a correlation of at least ALIKE, the most alike first."""
    pairs = []
    for j, first in enumerate(kept):
        for k in range(j + 1, len(kept)):
            if abs(products[j, k]) >= ALIKE:
                pairs.append(Pair(first, kept[k], float(products[j, k])))
    return sorted(pairs, key=lambda pair: -abs(pair.correlation))


def _combinations(kept: list[str], rows: np.ndarray, indices: np.ndarray) -> list[Combination]:
    """The combinations of terms with a condition index above ILL, the worst first."""
    combinations = []
    for row, index in zip(rows[::-1], indices[::-1], strict=True):
        if index <= ILL:
            break
        weights = {}
        for place in np.argsort(-np.abs(row)):
            if abs(row[place]) >= SHOWN:
                weights[kept[place]] = float(row[place])
        combinations.append(Combination(weights, float(index)))
    return combinations
