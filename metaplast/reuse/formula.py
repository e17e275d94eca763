"""A rule as a formula: computed from the document and the numbers of a rule file, without JAX.

An expression is a `Sum` of products (a polynomial), a `Formula` (an expression tree), a `Call` of a wrapper, or a
`Card` (a form that is none of them).
`text` and `latex` print the same expression; what stands between the brackets of a sum is again in the term grammar.
"""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from metaplast.registry import BadInput
from metaplast.reuse import _tree
from metaplast.reuse._document import LEARNT, TERM_LISTS, children, entries, own_leaves
from metaplast.reuse._notation import escape, four_digits, power_of_ten, short, symbol
from metaplast.reuse._tree import Formula
from metaplast.reuse.rule_file import subtree
from metaplast.reuse.text import printable
from metaplast.rules._expression import ELIGIBILITY, filled, numbers, signals
from metaplast.rules._expression import parse as tree_of
from metaplast.rules._grammar import RATE_UNIT, TRACES, Product, field_of, parse

NEGLIGIBLE = 1e-3  # of the largest coefficient c_k: terms with smaller ones are counted, not printed
Plain = dict[str, Any]
Tensors = Mapping[str, np.ndarray]
Number = float | int | str


class Sum(NamedTuple):
    """rate * sum of products, largest number first; `dropped` negligible ones are left out. constants: of traces."""

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
    found = expressions(document, tensors)
    left = {key: "delta_w" if len(found) == 1 else f"delta_w[{printable(key)}]" for key in found}
    return "\n".join(f"{left[key]} = {text(expression)}" for key, expression in found.items())


def expressions(document: Plain, tensors: Tensors) -> dict[str, Expression]:
    """{entry: expression}; an entry is a slot, or slot/edge where theta is not shared."""
    return {
        key: expression(entry.slot["rule"], subtree(entry.prefix, tensors)) for key, entry in entries(document).items()
    }


def terms(document: Plain, tensors: Tensors) -> dict[str, dict[str, float]]:
    """{entry: {term: c_k}}, the coefficients as they act, before the rate; empty for a form without terms.

    Under `sum` the term is preceded by the label of its part.
    """
    return {
        key: rule_terms(entry.slot["rule"], subtree(entry.prefix, tensors)) for key, entry in entries(document).items()
    }


def fields(spec: Plain) -> frozenset[str] | None:
    """The fields of the view that a rule reads, where its terms say so; None where only running it can tell."""
    if spec["name"] in TERM_LISTS:
        return frozenset(
            field_of(name)
            for term in spec["terms"]
            for product in parse(term, traces=True)
            for name, _ in product.factors
        )
    if spec["name"] == "symbolic" and not spec.get("size"):
        trees = [tree_of(text) for text in (spec["expression"], spec["eligibility"]) if text]
        return frozenset(field_of(name) for tree in trees for name in signals(tree) if name != ELIGIBILITY)
    inner = [fields(child) for _, child, _ in children(spec, {})]
    known = [found for found in inner if found is not None]
    wrapped = spec["name"] in _TRANSPARENT and len(known) == len(inner)
    return frozenset().union(*known) if wrapped and known else None


_TRANSPARENT = frozenset(
    {"adam", "clip", "momentum", "scale", "sum"}
)  # wrappers that read nothing of the view themselves


def expression(spec: Plain, theta: Any) -> Expression:
    """The expression of one rule, from its plain spec and its theta (nested dicts of arrays)."""
    theta = theta if isinstance(theta, dict) else {"": theta}
    if spec["name"] in TERM_LISTS:
        return _sum(spec, theta)
    if spec["name"] == "symbolic" and not spec.get("size"):
        return _formula(spec, theta)
    inner = tuple(expression(child, child_theta) for _, child, child_theta in children(spec, theta))
    own = own_leaves(spec, theta)
    if inner:
        return Call(spec["name"], inner, _constants(spec, own))
    leaves = _leaves(theta)
    sizes = tuple((name, leaf.shape) for name, leaf in leaves.items() if leaf.size != 1)
    learnt = {name: leaf for name, leaf in leaves.items() if leaf.size == 1}
    return Card(spec["name"], sum(leaf.size for leaf in leaves.values()), sizes, _constants(spec, learnt))


def rule_terms(spec: Plain, theta: Any) -> dict[str, float]:
    """{term: c_k} of one rule, through wrappers."""
    if spec["name"] in TERM_LISTS:
        return dict(zip(spec["terms"], _coefficients(spec, theta), strict=True))
    inner = list(children(spec, theta))
    found: dict[str, float] = {}
    for label, child, child_theta in inner:
        mark = "" if len(inner) == 1 else f"{label}: "
        found.update({mark + term: value for term, value in rule_terms(child, child_theta).items()})
    return found


def text(expression: Expression) -> str:
    """`0.05 * (-1.000*error*pre + 0.2130*post*pre)`, `clip(...; limit=0.2)`, `mlp(337 numbers: ...; ...)`."""
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
        head = f"{expression.n_numbers} numbers" + (f": {sizes}" if sizes else "")
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


def _sum(spec: Plain, theta: Plain) -> Sum:
    """Equal products are merged. Negligible is judged by c_k, in which terms are comparable, and where terms cancel."""
    merged: dict[tuple[tuple[str, int], ...], list[tuple[float, float]]] = {}
    for term, coefficient in zip(spec["terms"], _coefficients(spec, theta), strict=True):
        for product in parse(term, traces=True):
            merged.setdefault(product.factors, []).append((coefficient, coefficient * product.scale))
    largest = max(abs(coefficient) for parts in merged.values() for coefficient, _ in parts)
    kept = []
    for factors, parts in merged.items():
        value = sum(part for _, part in parts)
        matters = max(abs(coefficient) for coefficient, _ in parts) >= NEGLIGIBLE * largest
        if matters and value and abs(value) >= NEGLIGIBLE * max(abs(part) for _, part in parts):
            kept.append(Product(value, factors))
    kept.sort(key=lambda product: -abs(product.scale))
    rate = _learnt(spec["rate"], theta.get("log_rate", 0.0)) if "log_rate" in LEARNT[spec["learn"]] else spec["rate"]
    read = {name for product in kept for name, _ in product.factors} & set(TRACES)
    own = {k: v for k, v in spec.items() if k.removeprefix("tau_") in read or (read and k in _CONVENTIONS)}
    learnt = {name: leaf for name, leaf in theta.items() if name.removeprefix("log_") in own}
    return Sum(float(rate), tuple(kept), len(merged) - len(kept), _constants(own, learnt))


_CONVENTIONS = ("pairing", "at_post_spike", "at_pre_spike")  # of traces, in every rule that keeps them


def _formula(spec: Plain, theta: Plain) -> Formula:
    tree = tree_of(spec["expression"])
    start = numbers(tree)
    added = theta.get("constants", np.zeros(len(start)))
    if added.shape != (len(start),):
        raise BadInput(f"constants of shape {list(added.shape)}", f"[{len(start)}]", "correct the file")
    tree = filled(tree, iter(float(a) + float(b) for a, b in zip(start, added, strict=True)))
    rate = _learnt(spec["rate"], theta.get("log_rate", 0.0))
    kept = (tree_of(spec["eligibility"]), float(spec["tau"])) if spec["eligibility"] else None
    return Formula(float(rate), tree, kept)


def _coefficients(spec: Plain, theta: Any) -> list[float]:
    """c_k = initial_k + theta_k."""
    initial = [float(value) for value in spec.get("initial") or [0.0] * len(spec["terms"])]
    if "coefficients" not in LEARNT[spec["learn"]] or not isinstance(theta, dict) or "coefficients" not in theta:
        return initial
    added = theta["coefficients"]
    if added.shape != (len(initial),):
        raise BadInput(f"coefficients of shape {list(added.shape)}", f"[{len(initial)}]", "correct the file")
    return [start + float(more) for start, more in zip(initial, added, strict=True)]


def _learnt(value: float, log: Any) -> float:
    """value exp(5 log)."""
    exponent = RATE_UNIT * float(np.asarray(log).reshape(-1)[0])
    return float(value) * (math.exp(exponent) if exponent < 700 else math.inf)


def _constants(spec: Plain, learnt: Mapping[str, np.ndarray]) -> tuple[tuple[str, Number], ...]:
    """The scalar fields of a spec as they act, lists of numbers or names, and what is learnt beside them."""
    found: dict[str, Number] = {}
    values = {name: leaf for name, leaf in learnt.items() if leaf.size == 1}
    for field, value in spec.items():
        if isinstance(value, int | float) and f"log_{field}" in values:
            found[field] = _learnt(value, values.pop(f"log_{field}"))
        elif isinstance(value, int | float | str) and field != "name":
            found[field] = value
        elif isinstance(value, list):
            found[field] = "[" + ", ".join(str(item) for item in value) + "]"
    found.update({f"learnt {printable(name)}": float(leaf.reshape(-1)[0]) for name, leaf in values.items()})
    return tuple(found.items())


def _leaves(theta: Plain, prefix: str = "") -> dict[str, np.ndarray]:
    found: dict[str, np.ndarray] = {}
    for name, value in theta.items():
        found.update(_leaves(value, f"{prefix}{name}.") if isinstance(value, dict) else {f"{prefix}{name}": value})
    return found


def _signed(product: Product, body: str, index: int) -> str:
    if index == 0:
        return f"-{body}" if product.scale < 0 else body
    return f" - {body}" if product.scale < 0 else f" + {body}"


def _product_text(product: Product) -> str:
    factors = [name if power == 1 else f"{name}^{power}" for name, power in product.factors]
    return "*".join([four_digits(abs(product.scale)), *factors])


def _product_latex(product: Product) -> str:
    factors = [symbol(name) if power == 1 else f"{{{symbol(name)}}}^{{{power}}}" for name, power in product.factors]
    return r"\, ".join([power_of_ten(four_digits(abs(product.scale))), *factors])


def _constant(value: Number) -> str:
    return printable(value) if isinstance(value, str) else str(value) if isinstance(value, bool | int) else short(value)


def _equation(name: str, value: Number) -> str:
    return rf"\text{{{escape(name)}}}={_constant_latex(value)}"


def _constant_latex(value: Number) -> str:
    return rf"\text{{{escape(_constant(value))}}}" if isinstance(value, str | bool) else power_of_ten(_constant(value))
