"""Equations as text of a language with operators between operands."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from metaplast.reuse.export._expressions import (
    Expression,
    Function,
    Name,
    Number,
    Operation,
    Power,
    Side,
    Sum,
    parts,
    side_of,
)
from metaplast.reuse.export._program import Unsupported

_RANK = {"+": 1, "-": 1, "*": 2, "/": 2}
_SIGN = 2
_POWER = 3
_ATOM = 4


def _unlifted(text: str, _side: Side, _level: Side) -> str:
    return text


@dataclass(frozen=True)
class Language:
    """The ways in which a language writes its parts.

    name: the text of a name.
    functions: {function: text of a call with these arguments}.
    total: the text of a sum over synapses, or None where the language has none.
    lifted: the text of a value of one side among values of another side.
    power: the text of a base and an exponent.
    number: the text of a finite number.
    """

    name: Callable[[Name], str]
    functions: Mapping[str, Callable[..., str]]
    total: Callable[[Sum], str] | None = None
    lifted: Callable[[str, Side, Side], str] = _unlifted
    power: Callable[[str, str], str] = "{}**{}".format
    number: Callable[[float], str] = repr


def show(expression: Expression, language: Language) -> str:
    """The text of a tree. Raises: Unsupported for a part that the language does not have."""
    return _show(expression, language)[0]


def _show(expression: Expression, language: Language) -> tuple[str, int]:
    """The text of a tree, and the rank of its outermost operator."""
    if isinstance(expression, Number):
        return _number(expression.value, language)
    if isinstance(expression, Name):
        return language.name(expression), _ATOM
    if isinstance(expression, Sum):
        if language.total is None:
            raise Unsupported("it sums over the synapses of a neuron")
        return language.total(expression), _ATOM
    level = side_of(expression)
    shown = [_operand(part, level, language) for part in parts(expression)]
    if isinstance(expression, Function):
        texts = [text for text, _ in shown]
        return language.functions[expression.function](*texts), _ATOM
    if isinstance(expression, Power):
        base = _within(shown[0], _ATOM)
        exponent = language.number(expression.exponent)
        if expression.exponent == round(expression.exponent):
            exponent = str(round(expression.exponent))
        return language.power(base, exponent), _POWER
    assert isinstance(expression, Operation)
    if expression.operator == "*" and expression.left == Number(-1.0):
        return f"-{_within(shown[1], _POWER)}", _SIGN
    rank = _RANK[expression.operator]
    left = _within(shown[0], rank)
    right = _within(shown[1], rank + (expression.operator in "-/"))
    if expression.operator == "+" and right.startswith("-"):
        return f"{left} - {right.removeprefix('-')}", rank
    if right.startswith("-"):
        right = f"({right})"
    return f"{left} {expression.operator} {right}", rank


def _operand(part: Expression, level: Side, language: Language) -> tuple[str, int]:
    """The text of an operand among values of a level."""
    text, rank = _show(part, language)
    side = side_of(part)
    if side in (level, "scalar"):
        return text, rank
    lifted = language.lifted(_within((text, rank), _ATOM), side, level)
    if lifted == _within((text, rank), _ATOM):
        return text, rank
    return lifted, _ATOM


def _within(shown: tuple[str, int], least: int) -> str:
    """The text, in brackets where its operator ranks below `least`."""
    text, rank = shown
    return text if rank >= least else f"({text})"


def _number(value: float, language: Language) -> tuple[str, int]:
    if not math.isfinite(value):
        raise Unsupported(f"a number of it is {value}")
    rank = _ATOM if value >= 0 else _SIGN
    return language.number(value), rank
