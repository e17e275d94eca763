"""A rule as a formula, computed from the document and the tensors of a rule file; without JAX.

An expression is a `TermSum` of products (a polynomial), a `Formula` (an expression tree), a `Call`
of a wrapper, or a `Card` (any other form). `text` and `latex` print the same expression. The text
between the brackets of a sum follows the term grammar.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from metaplast.language.account import Shows
from metaplast.language.expression import ELIGIBILITY, signals
from metaplast.language.expression import parse as tree_of
from metaplast.language.grammar import TRACES, Product, field_of, parse, show_factor
from metaplast.registry import Plain
from metaplast.reuse import _tree
from metaplast.reuse._notation import escape, four_digits, power_of_ten, short, symbol
from metaplast.reuse._tree import EligibilityTrace, Formula
from metaplast.reuse.node import Node, Number, coefficients, constants, nodes, rate, tree, walk
from metaplast.reuse.text import printable

NEGLIGIBLE = 1e-3
"""A share of the largest coefficient c_k. A smaller term is counted and not printed."""
# Fields of a rule that keeps traces. They name the conventions of the traces.
_CONVENTIONS = ("pairing", "at_post_spike", "at_pre_spike")
Tensors = Mapping[str, np.ndarray]


class TermSum(NamedTuple):
    """The formula rate * (sum of products).

    rate: factor in front.
    products: products, the largest first.
    dropped: number of negligible products that are left out. A product whose coefficients are all
        exactly 0 was taken out of the rule, and is no part of this number.
    constants: (name, value) of the constants of the traces that products read.
    """

    rate: float
    products: tuple[Product, ...]
    dropped: int
    constants: tuple[tuple[str, Number], ...] = ()


class Call(NamedTuple):
    """A wrapper around rules.

    name: name of the wrapper.
    inner: expressions of the rules inside.
    constants: (name, value) of the constants of the wrapper.
    """

    name: str
    inner: tuple["Expression", ...]
    constants: tuple[tuple[str, Number], ...]


class Card(NamedTuple):
    """A rule without a formula.

    name: name of the rule.
    n_numbers: number of numbers that it learned.
    sizes: (name, shape) of its leaves of theta.
    constants: (name, value) of its constants.
    """

    name: str
    n_numbers: int
    sizes: tuple[tuple[str, tuple[int, ...]], ...]
    constants: tuple[tuple[str, Number], ...]


Expression = TermSum | Formula | Call | Card


def formula(document: Plain, tensors: Tensors) -> str:
    """The formula of every rule of a rule file, one a line.

    A line is `delta_w = ...`, or `delta_w[slot/edge] = ...` in a file of several rules.

    Args:
        document: the document of the file.
        tensors: the tensors of the file.
    """
    rules = nodes(document, tensors)
    lines = []
    for key, rule in rules.items():
        left = "delta_w" if len(rules) == 1 else f"delta_w[{printable(key)}]"
        lines.append(f"{left} = {text(expression(rule))}")
    return "\n".join(lines)


def terms(document: Plain, tensors: Tensors) -> dict[str, dict[str, float]]:
    """{entry: {term: c_k}} of a rule file, with the coefficients as they act, before the rate.

    An entry is a slot, or slot/edge where theta is not shared. A rule without terms has no terms.
    Under `sum`, the label of a part stands before its terms.

    Args:
        document: the document of the file.
        tensors: the tensors of the file.
    """
    return {entry: rule_terms(rule) for entry, rule in nodes(document, tensors).items()}


def rule_terms(rule: Node) -> dict[str, float]:
    """{term: c_k} of a rule and of the rules inside it."""
    terms_of = {}
    for mark, inner in walk(rule):
        for term, value in coefficients(inner).items():
            terms_of[f"{mark}{term}"] = value
    return terms_of


def fields(rule: Node) -> frozenset[str] | None:
    """The fields of the view that the terms of a rule read.

    None for a rule whose fields only a run shows.
    """
    if not rule.account.silent:
        return None
    read = _SHOWN[rule.account.shows].reads(rule)
    for part in rule.parts.values():
        inside = fields(part)
        if inside is None:
            return None
        read |= inside
    return frozenset(read)


def expression(rule: Node) -> Expression:
    """The expression of one rule."""
    return _SHOWN[rule.account.shows].expression(rule)


def text(expression: Expression) -> str:
    """The right-hand side of delta_w in one line.

    Examples are `0.05 * (-1.000*error*pre + 0.2130*post*pre)`, `clip(...; limit=0.2)` and
    `mlp(337 numbers: ...; ...)`.
    """
    if isinstance(expression, TermSum):
        return _sum_text(expression)
    if isinstance(expression, Formula):
        return _tree.text(expression)
    if isinstance(expression, Call):
        arguments = ", ".join(map(text, expression.inner))
    else:
        arguments = _card_text(expression)
    if expression.constants:
        arguments += f"; {_constants_text(expression.constants)}"
    return f"{expression.name}({arguments})"


def _sum_text(expression: TermSum) -> str:
    if not expression.products:
        return "0"
    line = f"{short(expression.rate)} * ({_joined(expression.products, _product_text)})"
    if expression.dropped:
        line += f" [{expression.dropped} smaller terms]"
    if expression.constants:
        line += f" with {_constants_text(expression.constants)}"
    return line


def _constants_text(constants: Iterable[tuple[str, Number]]) -> str:
    return ", ".join(f"{name}={_constant(value)}" for name, value in constants)


def _card_text(card: Card) -> str:
    word = "number" if card.n_numbers == 1 else "numbers"
    line = f"{card.n_numbers} {word}"
    if card.sizes:
        sizes = ", ".join(f"{printable(name)}{list(shape)}" for name, shape in card.sizes)
        line += f": {sizes}"
    return line


def latex(expression: Expression) -> str:
    """The right-hand side of Delta w_ji in LaTeX's mathematics."""
    if isinstance(expression, TermSum):
        return _sum_latex(expression)
    if isinstance(expression, Formula):
        return _tree.latex(expression)
    if isinstance(expression, Call):
        arguments = r",\; ".join(map(latex, expression.inner))
    else:
        arguments = rf"{expression.n_numbers}\ \text{{numbers}}"
    if expression.constants:
        arguments += rf";\; {_constants_latex(expression.constants)}"
    return rf"\operatorname{{{escape(expression.name)}}}\left({arguments}\right)"


def _sum_latex(expression: TermSum) -> str:
    if not expression.products:
        return "0"
    body = _joined(expression.products, _product_latex)
    line = rf"{power_of_ten(short(expression.rate))} \left({body}\right)"
    if expression.dropped:
        line += rf"\;[{expression.dropped}\ \text{{smaller terms}}]"
    if expression.constants:
        line += rf"\;\text{{with}}\;{_constants_latex(expression.constants)}"
    return line


def _constants_latex(constants: Iterable[tuple[str, Number]]) -> str:
    return r",\; ".join(_equation(name, value) for name, value in constants)


def _sum(rule: Node) -> TermSum:
    """The terms of a rule as a sum. Equal products are merged, and negligible ones are counted."""
    merged = _merged(rule)
    largest = max(map(abs, _coefficients_in(merged)))
    products = []
    dropped = 0
    for factors, shares in merged.items():
        number = sum(share.number for share in shares)
        if not _is_negligible(number, shares, largest):
            products.append(Product(number, factors))
        elif any(share.coefficient != 0.0 for share in shares):
            dropped += 1
    products.sort(key=lambda product: -abs(product.scale))
    return TermSum(rate(rule), tuple(products), dropped, _trace_constants(rule, products))


class _Share(NamedTuple):
    """The share of one term in a product.

    coefficient: c_k of the term.
    number: c_k times the number in front of the product in the term.
    """

    coefficient: float
    number: float


Factors = tuple[tuple[str, int], ...]
"""(signal, power) of each factor of a product."""


def _merged(rule: Node) -> dict[Factors, list[_Share]]:
    """The shares of all terms in every product."""
    merged: dict[Factors, list[_Share]] = {}
    for term, coefficient in coefficients(rule).items():
        for product in parse(term, traces=True):
            share = _Share(coefficient, coefficient * product.scale)
            merged.setdefault(product.factors, []).append(share)
    return merged


def _coefficients_in(merged: dict[Factors, list[_Share]]) -> list[float]:
    """The coefficients c_k of all shares."""
    values = []
    for shares in merged.values():
        for share in shares:
            values.append(share.coefficient)
    return values


def _is_negligible(number: float, shares: list[_Share], largest: float) -> bool:
    """Whether a product is too small to be printed, or its shares cancel.

    Products are judged by c_k, because terms are comparable in c_k.

    Args:
        number: the number in front of the product.
        shares: the shares of the terms in it.
        largest: the largest |c_k| of the rule.
    """
    if not max(abs(share.coefficient) for share in shares) >= NEGLIGIBLE * largest:
        return True
    cancelled = not abs(number) >= NEGLIGIBLE * max(abs(share.number) for share in shares)
    return cancelled or not number


def _trace_constants(rule: Node, products: list[Product]) -> tuple[tuple[str, Number], ...]:
    """The constants of the traces that the products read, and the conventions of all traces."""
    read = set()
    for product in products:
        read |= TRACES.keys() & dict(product.factors).keys()
    if not read:
        return ()
    shown = []
    for name, value in constants(rule).items():
        if name.removeprefix("tau_") in read or name in _CONVENTIONS:
            shown.append((name, value))
    return tuple(shown)


def _formula(rule: Node) -> Formula:
    trace = None
    if rule.spec["eligibility"]:
        trace = EligibilityTrace(tree_of(rule.spec["eligibility"]), float(rule.spec["tau"]))
    return Formula(rate(rule), tree(rule), trace)


def _call_or_card(rule: Node) -> Expression:
    constants_of = tuple(constants(rule).items())
    if rule.parts:
        inner = tuple(map(expression, rule.parts.values()))
        return Call(rule.name, inner, constants_of)
    n_numbers = 0
    sizes = []
    for name, leaf in rule.leaves.items():
        n_numbers += leaf.size
        if leaf.size != 1:
            sizes.append((name, leaf.shape))
    return Card(rule.name, n_numbers, tuple(sizes), constants_of)


def _fields_of_terms(rule: Node) -> set[str]:
    read = set()
    for term in rule.spec["terms"]:
        for product in parse(term, traces=True):
            read.update(map(field_of, dict(product.factors)))
    return read


def _fields_of_expression(rule: Node) -> set[str]:
    read = set()
    for plain in (rule.spec["expression"], rule.spec["eligibility"]):
        if plain:
            names = set(signals(tree_of(plain))) - {ELIGIBILITY}
            read.update(map(field_of, names))
    return read


class _Shown(NamedTuple):
    """A form in which an account shows a rule.

    expression: the expression of the rule.
    reads: the fields of the view that the terms of the rule read, without the rules inside it.
    """

    expression: Callable[[Node], Expression]
    reads: Callable[[Node], set[str]]


_SHOWN: dict[Shows, _Shown] = {
    "terms": _Shown(_sum, _fields_of_terms),
    "expression": _Shown(_formula, _fields_of_expression),
    "constants": _Shown(_call_or_card, lambda rule: set()),
}


def _joined(products: Sequence[Product], shown: Callable[[Product], str]) -> str:
    """The products with signs between them. A first product above 0 has no sign.

    Args:
        products: the products.
        shown: the text of a product without its sign.
    """
    line = "-" if products[0].scale < 0 else ""
    line += shown(products[0])
    for product in products[1:]:
        sign = "-" if product.scale < 0 else "+"
        line += f" {sign} {shown(product)}"
    return line


def _product_text(product: Product) -> str:
    parts = [four_digits(abs(product.scale))]
    for name, power in product.factors:
        parts.append(show_factor(name, power))
    return "*".join(parts)


def _product_latex(product: Product) -> str:
    parts = [power_of_ten(four_digits(abs(product.scale)))]
    for name, power in product.factors:
        factor = symbol(name)
        if power != 1:
            factor = f"{{{factor}}}^{{{power}}}"
        parts.append(factor)
    return r"\, ".join(parts)


def _constant(value: Number) -> str:
    if isinstance(value, str):
        return printable(value)
    return str(value) if isinstance(value, bool | int) else short(value)


def _equation(name: str, value: Number) -> str:
    return rf"\text{{{escape(name)}}}={_constant_latex(value)}"


def _constant_latex(value: Number) -> str:
    if isinstance(value, str | bool):
        return rf"\text{{{escape(_constant(value))}}}"
    return power_of_ten(_constant(value))
