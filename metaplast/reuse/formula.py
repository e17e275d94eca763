"""A rule as a formula: computed from the document and the numbers of a rule file, without JAX.

An expression is a `Sum` of products (a polynomial), a `Formula` (an expression tree), a `Call` of a
wrapper, or a `Card` (a form that is none of them).
`text` and `latex` print the same expression; what stands between the brackets of a sum is again in
the term grammar.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from metaplast.language.expression import ELIGIBILITY, signals
from metaplast.language.expression import parse as tree_of
from metaplast.language.grammar import TRACES, Product, field_of, parse
from metaplast.reuse import _tree
from metaplast.reuse._notation import escape, four_digits, power_of_ten, short, symbol
from metaplast.reuse._tree import Formula
from metaplast.reuse.node import Node, Number, coefficients, constants, nodes, rate, tree, walk
from metaplast.reuse.text import printable

NEGLIGIBLE = (
    1e-3  # of the largest coefficient c_k: terms with smaller ones are counted, not printed
)
Plain = dict[str, Any]
Tensors = Mapping[str, np.ndarray]


class Sum(NamedTuple):
    """rate * sum of products, largest number first; `dropped` negligible ones are left out.
    constants: of traces.
    """

    rate: float
    products: tuple[Product, ...]
    dropped: int
    constants: tuple[tuple[str, Number], ...] = ()


class Call(NamedTuple):
    """A wrapper around rules."""

    name: str
    inner: tuple["Expression", ...]
    constants: tuple[tuple[str, Number], ...]


class Card(NamedTuple):
    """A rule that is no sum of terms: how many numbers it has, in which leaves, and its constants."""

    name: str
    n_numbers: int
    sizes: tuple[tuple[str, tuple[int, ...]], ...]
    constants: tuple[tuple[str, Number], ...]


Expression = Sum | Formula | Call | Card


def formula(document: Plain, tensors: Tensors) -> str:
    """One line per theta: `delta_w = ...`, or `delta_w[slot/edge] = ...` where there are several."""
    parts = {key: expression(each) for key, each in nodes(document, tensors).items()}
    left = {key: "delta_w" if len(parts) == 1 else f"delta_w[{printable(key)}]" for key in parts}
    return "\n".join(f"{left[key]} = {text(part)}" for key, part in parts.items())


def terms(document: Plain, tensors: Tensors) -> dict[str, dict[str, float]]:
    """{entry: {term: c_k}}, the coefficients as they act, before the rate; empty for a form without
    terms.

    An entry is a slot, or slot/edge where theta is not shared. Under `sum` the term is preceded by
    the label of its part.
    """
    return {key: rule_terms(each) for key, each in nodes(document, tensors).items()}


def rule_terms(start: Node) -> dict[str, float]:
    """{term: c_k} of one rule, through wrappers."""
    return {
        f"{mark}{term}": value
        for mark, each in walk(start)
        for term, value in coefficients(each).items()
    }


def fields(rule: Node) -> frozenset[str] | None:
    """The fields of the view that a rule reads, where its terms say so; None where only running it
    can tell.
    """
    if not rule.account.silent:
        return None
    read: set[str] = set()
    if rule.account.shows == "terms":
        products = [product for term in rule.spec["terms"] for product in parse(term, traces=True)]
        read = {field_of(name) for product in products for name, _ in product.factors}
    if rule.account.shows == "expression":
        trees = [
            tree_of(text) for text in (rule.spec["expression"], rule.spec["eligibility"]) if text
        ]
        read = {field_of(name) for each in trees for name in signals(each) if name != ELIGIBILITY}
    for part in rule.parts.values():
        inside = fields(part)
        if inside is None:
            return None
        read |= inside
    return frozenset(read)


def expression(rule: Node) -> Expression:
    """The expression of one rule."""
    if rule.account.shows == "terms":
        return _sum(rule)
    if rule.account.shows == "expression":
        return _formula(rule)
    if rule.parts:
        return Call(
            rule.name,
            tuple(expression(part) for part in rule.parts.values()),
            tuple(constants(rule).items()),
        )
    sizes = tuple((name, leaf.shape) for name, leaf in rule.leaves.items() if leaf.size != 1)
    return Card(
        rule.name,
        sum(leaf.size for leaf in rule.leaves.values()),
        sizes,
        tuple(constants(rule).items()),
    )


def text(expression: Expression) -> str:
    """`0.05 * (-1.000*error*pre + 0.2130*post*pre)`, `clip(...; limit=0.2)`, `mlp(337 numbers: ...;
    ...)`.
    """
    if isinstance(expression, Sum):
        if not expression.products:
            return "0"
        body = "".join(_signed(p, _product_text(p), i) for i, p in enumerate(expression.products))
        left = f" [{expression.dropped} smaller terms]" if expression.dropped else ""
        kept = ", ".join(f"{name}={_constant(value)}" for name, value in expression.constants)
        return f"{short(expression.rate)} * ({body}){left}{f' with {kept}' if kept else ''}"
    if isinstance(expression, Formula):
        return _tree.text(expression)
    constants = ", ".join(f"{name}={_constant(value)}" for name, value in expression.constants)
    if isinstance(expression, Call):
        head = ", ".join(text(part) for part in expression.inner)
    else:
        sizes = ", ".join(f"{printable(name)}{list(shape)}" for name, shape in expression.sizes)
        head = f"{expression.n_numbers} number{'' if expression.n_numbers == 1 else 's'}" + (
            f": {sizes}" if sizes else ""
        )
    return f"{expression.name}({head}{'; ' if constants else ''}{constants})"


def latex(expression: Expression) -> str:
    """The right-hand side of Delta w_ji in LaTeX's mathematics."""
    if isinstance(expression, Sum):
        if not expression.products:
            return "0"
        body = "".join(_signed(p, _product_latex(p), i) for i, p in enumerate(expression.products))
        left = rf"\;[{expression.dropped}\ \text{{smaller terms}}]" if expression.dropped else ""
        kept = r",\; ".join(_equation(name, value) for name, value in expression.constants)
        tail = rf"\;\text{{with}}\;{kept}" if kept else ""
        return rf"{power_of_ten(short(expression.rate))} \left({body}\right){left}{tail}"
    if isinstance(expression, Formula):
        return _tree.latex(expression)
    constants = [_equation(name, value) for name, value in expression.constants]
    if isinstance(expression, Call):
        head = r",\; ".join(latex(part) for part in expression.inner)
    else:
        head = rf"{expression.n_numbers}\ \text{{numbers}}"
    inside = r";\; ".join([head, *([r",\; ".join(constants)] if constants else [])])
    return rf"\operatorname{{{escape(expression.name)}}}\left({inside}\right)"


def _sum(rule: Node) -> Sum:
    """Equal products are merged. Negligible is judged by c_k, in which terms are comparable, and
    where terms cancel.
    """
    merged: dict[tuple[tuple[str, int], ...], list[tuple[float, float]]] = {}
    for term, coefficient in coefficients(rule).items():
        for product in parse(term, traces=True):
            merged.setdefault(product.factors, []).append(
                (coefficient, coefficient * product.scale)
            )
    largest = max(abs(coefficient) for parts in merged.values() for coefficient, _ in parts)
    kept = []
    for factors, parts in merged.items():
        value = sum(part for _, part in parts)
        matters = max(abs(coefficient) for coefficient, _ in parts) >= NEGLIGIBLE * largest
        if matters and value and abs(value) >= NEGLIGIBLE * max(abs(part) for _, part in parts):
            kept.append(Product(value, factors))
    kept.sort(key=lambda product: -abs(product.scale))
    read = {name for product in kept for name, _ in product.factors} & set(TRACES)
    shown = []
    for name, value in constants(rule).items():
        if name.removeprefix("tau_") in read or (read and name in _CONVENTIONS):
            shown.append((name, value))
    return Sum(rate(rule), tuple(kept), len(merged) - len(kept), tuple(shown))


_CONVENTIONS = (
    "pairing",
    "at_post_spike",
    "at_pre_spike",
)  # of traces, in every rule that keeps them


def _formula(rule: Node) -> Formula:
    spec = rule.spec
    kept = (tree_of(spec["eligibility"]), float(spec["tau"])) if spec["eligibility"] else None
    return Formula(rate(rule), tree(rule), kept)


def _signed(product: Product, body: str, index: int) -> str:
    if index == 0:
        return f"-{body}" if product.scale < 0 else body
    return f" - {body}" if product.scale < 0 else f" + {body}"


def _product_text(product: Product) -> str:
    factors = [name if power == 1 else f"{name}^{power}" for name, power in product.factors]
    return "*".join([four_digits(abs(product.scale)), *factors])


def _product_latex(product: Product) -> str:
    factors = [
        symbol(name) if power == 1 else f"{{{symbol(name)}}}^{{{power}}}"
        for name, power in product.factors
    ]
    return r"\, ".join([power_of_ten(four_digits(abs(product.scale))), *factors])


def _constant(value: Number) -> str:
    return (
        printable(value)
        if isinstance(value, str)
        else str(value)
        if isinstance(value, bool | int)
        else short(value)
    )


def _equation(name: str, value: Number) -> str:
    return rf"\text{{{escape(name)}}}={_constant_latex(value)}"


def _constant_latex(value: Number) -> str:
    return (
        rf"\text{{{escape(_constant(value))}}}"
        if isinstance(value, str | bool)
        else power_of_ten(_constant(value))
    )
