"""The formula of a rule that is one expression tree; without JAX."""

from typing import NamedTuple

from metaplast.language.expression import ELIGIBILITY, Apply, Number, Signal, Tree, show
from metaplast.reuse._notation import power_of_ten, short, symbol


class Formula(NamedTuple):
    """rate * one expression tree.

    rate: the factor in front
    tree: the expression, its numbers as they act
    kept: (expression that a synapse keeps as `eligibility`, its time constant in seconds) or None
    """

    rate: float
    tree: Tree
    kept: tuple[Tree, float] | None


def text(found: Formula) -> str:
    """The formula in one line of text."""
    body = f"{short(found.rate)} * ({show(found.tree, short)})"
    if found.kept is None:
        return body
    tree, tau = found.kept
    decayed = f"exp(-dt/{short(tau)}) {ELIGIBILITY}"
    return f"{body}; {ELIGIBILITY} <- {decayed} + {show(tree, short)}"


def latex(found: Formula) -> str:
    """The formula in LaTeX's mathematics."""
    body = rf"{power_of_ten(short(found.rate))} \left({_node(found.tree)}\right)"
    if found.kept is None:
        return body
    decay = rf"e^{{-\Delta t/{power_of_ten(short(found.kept[1]))}}}"
    return rf"{body},\quad E \leftarrow {decay} E + {_node(found.kept[0])}"


def _node(tree: Tree) -> str:
    if isinstance(tree, Number):
        return power_of_ten(short(tree.value))
    if isinstance(tree, Signal):
        return "E" if tree.name == ELIGIBILITY else symbol(tree.name)
    left, right = tree.left, tree.right
    if tree.operator == "/":
        return rf"\frac{{{_node(left)}}}{{{_node(right)}}}"
    if tree.operator == "*":
        return rf"{_factor(left)}\, {_factor(right)}"
    return f"{_node(left)} {tree.operator} {_factor(right)}"


def _factor(tree: Tree) -> str:
    """In brackets where it is a sum, or a number with a sign."""
    bare = _node(tree)
    is_sum = isinstance(tree, Apply) and tree.operator in "+-"
    return rf"\left({bare}\right)" if is_sum or bare.startswith("-") else bare
