"""Equations of a rule as trees: numbers, names, operators, functions and sums over synapses.

One tree is printed by every exporter in its own language. A name stands for one value per neuron or
synapse, and the side of a tree follows from its names.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

Side = Literal["scalar", "pre", "post", "synapse"]
SpikeSide = Literal["pre", "post"]
Kind = Literal["signal", "spikes", "constant", "state", "local", "step"]
Operator = Literal["+", "-", "*", "/"]
FUNCTIONS = ("exp", "expm1", "log", "sqrt", "tanh", "abs", "sign", "maximum", "clip", "positive")
"""Functions of scalars. `maximum(x, y)` is the larger one, `clip(x, low, high)` is x within bounds,
and `positive(x)` is 1 where x > 0 and 0 elsewhere."""


class Expression:
    """A tree. Operators of Python build larger trees, and leave out + 0 and * 1."""

    def __add__(self, other: "Expression | float") -> "Expression":
        right = tree(other)
        if right == ZERO:
            return self
        if self == ZERO:
            return right
        return Operation("+", self, right)

    def __sub__(self, other: "Expression | float") -> "Expression":
        right = tree(other)
        if right == ZERO:
            return self
        if self == ZERO:
            return -right
        return Operation("-", self, right)

    def __mul__(self, other: "Expression | float") -> "Expression":
        right = tree(other)
        if ZERO in (self, right):
            return ZERO
        if right == ONE:
            return self
        if self == ONE:
            return right
        return Operation("*", self, right)

    def __truediv__(self, other: "Expression | float") -> "Expression":
        right = tree(other)
        if right == ONE:
            return self
        return Operation("/", self, right)

    def __radd__(self, other: float) -> "Expression":
        return tree(other) + self

    def __rsub__(self, other: float) -> "Expression":
        return tree(other) - self

    def __rmul__(self, other: float) -> "Expression":
        return tree(other) * self

    def __rtruediv__(self, other: float) -> "Expression":
        return tree(other) / self

    def __neg__(self) -> "Expression":
        return Number(-1.0) * self

    def __pow__(self, exponent: float) -> "Expression":
        if exponent == 0:
            return ONE
        if exponent == 1:
            return self
        return Power(self, exponent)


@dataclass(frozen=True)
class Number(Expression):
    """A number."""

    value: float


@dataclass(frozen=True)
class Name(Expression):
    """A named value.

    name: an identifier.
    side: where its values stand.
    kind: `signal` is a field of the view, `spikes` a signal that is made of spikes, `constant` a
        number of the rule, `state` the state before the step, `local` a value of this step, and
        `step` the length of the step in seconds.
    """

    name: str
    side: Side
    kind: Kind


@dataclass(frozen=True)
class Operation(Expression):
    """One of four operators with its operands."""

    operator: Operator
    left: Expression
    right: Expression


@dataclass(frozen=True)
class Power(Expression):
    """A base to a fixed exponent."""

    base: Expression
    exponent: float


@dataclass(frozen=True)
class Function(Expression):
    """One of FUNCTIONS with its arguments."""

    function: str
    arguments: tuple[Expression, ...]


@dataclass(frozen=True)
class Sum(Expression):
    """A sum over synapses or neurons.

    over: `pre` sums over presynaptic neurons, `post` over postsynaptic ones, `all` over both.
    inner: the summand.
    """

    over: Literal["pre", "post", "all"]
    inner: Expression


ZERO = Number(0.0)
ONE = Number(1.0)
STEP = Name("dt", "scalar", "step")
WEIGHT = Name("weight", "synapse", "signal")


def tree(value: Expression | float) -> Expression:
    """The value as a tree."""
    if isinstance(value, Expression):
        return value
    return Number(float(value))


def call(function: str, *arguments: Expression | float) -> Expression:
    """A function of trees."""
    return Function(function, tuple(map(tree, arguments)))


def parts(expression: Expression) -> tuple[Expression, ...]:
    """The trees directly below a tree."""
    if isinstance(expression, Operation):
        return (expression.left, expression.right)
    if isinstance(expression, Power):
        return (expression.base,)
    if isinstance(expression, Function):
        return expression.arguments
    if isinstance(expression, Sum):
        return (expression.inner,)
    return ()


def walk(expression: Expression) -> Iterator[Expression]:
    """The tree and all trees below it."""
    yield expression
    for part in parts(expression):
        yield from walk(part)


def side_of(expression: Expression) -> Side:
    """Where the values of a tree stand: values of both sides together stand at synapses."""
    if isinstance(expression, Name):
        return expression.side
    if isinstance(expression, Sum):
        left: dict[str, Side] = {"pre": "post", "post": "pre", "all": "scalar"}
        return left[expression.over]
    widest: Side = "scalar"
    for part in parts(expression):
        side = side_of(part)
        if widest in ("scalar", side):
            widest = side
        elif side != "scalar":
            widest = "synapse"
    return widest
