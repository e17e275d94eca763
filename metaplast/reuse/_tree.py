"""The formula of a rule whose change is one expression tree; without JAX."""

from typing import NamedTuple

from metaplast.language.expression import ELIGIBILITY, Apply, Number, Signal, Tree, show
from metaplast.reuse._notation import power_of_ten, short, symbol


class Formula(NamedTuple):
    """The formula rate * tree.

    rate: factor in front.
    tree: expression, with its numbers as they act.
    trace: trace that each synapse keeps as `eligibility`, or None.
    """

    rate: float
    tree: Tree
    trace: "EligibilityTrace | None"


class EligibilityTrace(NamedTuple):
    """A decaying trace of an expression.

    tree: the expression.
    tau: time constant in seconds.
    """

    tree: Tree
    tau: float


def text(formula: Formula) -> str:
    """The formula in one line of text."""
    change = f"{short(formula.rate)} * ({show(formula.tree, short)})"
    if formula.trace is None:
        return change
    decayed = f"exp(-dt/{short(formula.trace.tau)}) {ELIGIBILITY}"
    return f"{change}; {ELIGIBILITY} <- {decayed} + {show(formula.trace.tree, short)}"


def latex(formula: Formula) -> str:
    """The formula in LaTeX's mathematics."""
    change = rf"{power_of_ten(short(formula.rate))} \left({_node(formula.tree)}\right)"
    if formula.trace is None:
        return change
    decay = rf"e^{{-\Delta t/{power_of_ten(short(formula.trace.tau))}}}"
    return rf"{change},\quad E \leftarrow {decay} E + {_node(formula.trace.tree)}"


def _node(tree: Tree) -> str:
    """A tree in LaTeX."""
    if isinstance(tree, Number):
        return power_of_ten(short(tree.value))
    if isinstance(tree, Signal):
        if tree.name == ELIGIBILITY:
            return "E"
        return symbol(tree.name)
    left, right = tree.left, tree.right
    if tree.operator == "/":
        return rf"\frac{{{_node(left)}}}{{{_node(right)}}}"
    if tree.operator == "*":
        return rf"{_factor(left)}\, {_factor(right)}"
    return f"{_node(left)} {tree.operator} {_factor(right)}"


def _factor(tree: Tree) -> str:
    """A factor in LaTeX. A sum and a number with a sign stand in brackets."""
    bare = _node(tree)
    is_sum = isinstance(tree, Apply) and tree.operator in "+-"
    if is_sum or bare.startswith("-"):
        return rf"\left({bare}\right)"
    return bare
