"""Expression trees: a text form for rules that are no sum of products, and a code for a search.

    sum     := product (("+" | "-") product)*
    product := power (("*" | "/") power)*
    power   := atom ["^" integer]                   x^3 is read as x*x*x
    atom    := number | signal | "-" atom | "(" sum ")"
    signal  := a name of language/grammar.py, modulator.<channel>, or `eligibility`

1 / 0 is infinite, and a life that meets it has diverged. The code of a tree is a list of integers.

No array library is imported here, and no text is ever evaluated.
"""

import math
import re
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from metaplast.language.grammar import MAX_LENGTH, MAX_POWER, check_signal
from metaplast.registry import BadInput

OPERATORS = "+-*/"
ELIGIBILITY = "eligibility"
MAX_DEPTH = 24
"""Brackets within each other."""
MAX_NODES = 127
_TOKEN = re.compile(r"\s*(?:((?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)|([A-Za-z_][\w.]*)|([-+*/^()]))")
_RANK = {"+": 1, "-": 1, "*": 2, "/": 2}


class Number(NamedTuple):
    """A leaf with a fixed value."""

    value: float


class Signal(NamedTuple):
    """A leaf that reads a signal."""

    name: str


class Apply(NamedTuple):
    """An operator, one of OPERATORS, and its two operands."""

    operator: str
    left: "Tree"
    right: "Tree"


Tree = Number | Signal | Apply


def parse(text: str) -> Tree:
    """The tree of an expression.

    Args:
        text: the expression.

    Raises: BadInput naming the wrong part.
    """
    if len(text) > MAX_LENGTH:
        raise BadInput(
            f"expression of {len(text)} characters", f"at most {MAX_LENGTH}", "shorten it"
        )
    reader = _Reader(text)
    tree = reader.sum(0)
    if reader.tokens:
        raise reader.wrong("an operator or the end")
    if len(list(nodes(tree))) > MAX_NODES:
        raise BadInput(f"expression {text[:40]!r}...", f"at most {MAX_NODES} nodes", "shorten it")
    return tree


def nodes(tree: Tree) -> Iterator[Tree]:
    """The node and all nodes below it, from left to right.

    Args:
        tree: the node.
    """
    yield tree
    if isinstance(tree, Apply):
        yield from nodes(tree.left)
        yield from nodes(tree.right)


def numbers(tree: Tree) -> tuple[float, ...]:
    """The numbers of a tree, from left to right.

    Args:
        tree: the tree of an expression.
    """
    return tuple(node.value for node in nodes(tree) if isinstance(node, Number))


def signals(tree: Tree) -> tuple[str, ...]:
    """The names of the signals of a tree, each once, in the order of their first occurrence.

    Args:
        tree: the tree of an expression.
    """
    return tuple(dict.fromkeys(node.name for node in nodes(tree) if isinstance(node, Signal)))


def filled(tree: Tree, values: Iterator[float]) -> Tree:
    """The tree with other numbers.

    Args:
        tree: the tree of an expression.
        values: the numbers, from left to right.
    """
    if isinstance(tree, Apply):
        left = filled(tree.left, values)
        return Apply(tree.operator, left, filled(tree.right, values))
    if isinstance(tree, Number):
        return Number(next(values))
    return tree


def show(tree: Tree, number: Callable[[float], str] | None = None) -> str:
    """The text of a tree. `parse` reads the same tree from it where `number` is exact.

    Args:
        tree: the tree of an expression.
        number: the text of a number; by default the shortest exact text.
    """
    return _show(tree, number or _exact, 0)


def _exact(value: float) -> str:
    """The shortest text from which the same number is read."""
    return repr(float(value)).removesuffix(".0")


def _show(tree: Tree, number: Callable[[float], str], least: int) -> str:
    """The text of a tree. It stands in brackets where its operator ranks below `least`."""
    if isinstance(tree, Signal):
        return tree.name
    if isinstance(tree, Number):
        written = number(tree.value)
        if least and written.startswith("-"):
            return f"({written})"
        return written
    rank = _RANK[tree.operator]
    operator = tree.operator
    if rank == 1:
        operator = f" {operator} "
    left = _show(tree.left, number, max(rank, 1))
    right = _show(tree.right, number, rank + 1)
    if rank < least:
        return f"({left}{operator}{right})"
    return f"{left}{operator}{right}"


class _Reader:
    """A reader of one expression, by recursive descent over its tokens."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens: list[str] = []
        at = 0
        while text[at:].strip():
            match = _TOKEN.match(text, at)
            if match is None:
                raise BadInput(
                    f"{text[at:][:20]!r} in expression {text!r}",
                    "numbers, signals, + - * / ^ ( )",
                    "correct it",
                )
            self.tokens.append(match[match.lastindex or 0])
            at = match.end()

    def wrong(self, expected: str) -> BadInput:
        """The error at the next token."""
        here = repr(self.tokens[0]) if self.tokens else "the end"
        return BadInput(
            f"{here} in expression {self.text!r}", expected, "write it as post*(pre - 0.5*weight)"
        )

    def next_is(self, known: str) -> bool:
        """Whether the next token is one of some characters."""
        return bool(self.tokens) and self.tokens[0] in known

    def sum(self, depth: int) -> Tree:
        """The tree of a sum, from its tokens."""
        return self._chain(self.product, "+-", depth)

    def product(self, depth: int) -> Tree:
        """The tree of a product, from its tokens."""
        return self._chain(self.power, "*/", depth)

    def _chain(self, part: Callable[[int], Tree], operators: str, depth: int) -> Tree:
        if depth > 3 * MAX_DEPTH:
            raise BadInput(
                f"expression {self.text[:40]!r}...",
                f"at most {MAX_DEPTH} brackets deep",
                "simplify it",
            )
        tree = part(depth + 1)
        while self.next_is(operators):
            tree = Apply(self.tokens.pop(0), tree, part(depth + 1))
        return tree

    def power(self, depth: int) -> Tree:
        """The tree of a power, from its tokens."""
        base = self.atom(depth)
        if not self.next_is("^"):
            return base
        self.tokens.pop(0)
        power = self.tokens.pop(0) if self.tokens else ""
        if not (power.isascii() and power.isdigit() and 1 <= int(power[:3]) <= MAX_POWER):
            raise BadInput(
                f"power {power!r} in expression {self.text!r}", f"1 to {MAX_POWER}", "correct it"
            )
        tree = base
        for _ in range(int(power) - 1):
            tree = Apply("*", tree, base)
        return tree

    def atom(self, depth: int) -> Tree:
        """The tree of an atom, from its tokens."""
        if not self.tokens:
            raise self.wrong("a number, a signal or a bracket")
        token = self.tokens.pop(0)
        if token == "(":
            inner = self.sum(depth + 1)
            if not self.next_is(")"):
                raise self.wrong("a closing bracket")
            self.tokens.pop(0)
            return inner
        if token == "-":
            if depth > 3 * MAX_DEPTH:
                raise self.wrong("fewer signs")
            inner = self.atom(depth + 1)
            if isinstance(inner, Number):
                return Number(-inner.value)
            return Apply("*", Number(-1.0), inner)
        if token[0] in "0123456789.":
            if not math.isfinite(float(token)):
                raise BadInput(
                    f"number {token} in expression {self.text!r}", "a finite number", "correct it"
                )
            return Number(float(token))
        if token in "+*/^)":
            self.tokens.insert(0, token)
            raise self.wrong("a number, a signal or a bracket")
        if token != ELIGIBILITY:
            check_signal(token, self.text)
        return Signal(token)


# The code of a search is a graph of `size` operators. Node k is three integers: its operator and
# its two operands. An operand below n_leaves is a leaf. The operand n_leaves + m is node m < k. The
# last integer of the code is the operand whose value is read. Every code within `limits` is a tree.
# A shared node stands in the tree several times. Nodes that are not read are a reserve.


def limits(n_leaves: int, size: int) -> tuple[int, ...]:
    """The exclusive upper bound of every integer of a code.

    Args:
        n_leaves: the number of leaves.
        size: the number of operators.
    """
    bounds = []
    for k in range(size):
        bounds += [len(OPERATORS), n_leaves + k, n_leaves + k]
    return (*bounds, n_leaves + size)


def encode(tree: Tree, leaves: Sequence[Tree], size: int) -> list[int | None]:
    """The code of a tree, with None for integers that do not matter.

    Args:
        tree: the tree of an expression.
        leaves: the leaves that it may have. Equal numbers in the tree take equal leaves in turn.
        size: the number of operators of the code.

    Raises: BadInput for a tree with other leaves, or with more than `size` operators.
    """
    code: list[int | None] = []
    free = list(enumerate(leaves))

    def place(node: Tree) -> int:
        if not isinstance(node, Apply):
            at = next((pair for pair in free if pair[1] == node), None)
            if at is None:
                known = ", ".join(map(show, leaves))
                raise BadInput(
                    f"{show(node)} in expression {show(tree)!r}",
                    f"one of {known}",
                    "add it to inputs",
                )
            if isinstance(node, Number):
                free.remove(at)
            return at[0]
        left = place(node.left)
        right = place(node.right)
        code.extend((OPERATORS.index(node.operator), left, right))
        return len(leaves) + len(code) // 3 - 1

    out = place(tree)
    missing = size - len(code) // 3
    if missing < 0:
        raise BadInput(f"expression {show(tree)!r}", f"at most size={size} operators", "raise size")
    return [*code, *[None] * (3 * missing), out]


def decode(code: Sequence[float], leaves: Sequence[Tree]) -> Tree:
    """The tree of a code.

    Args:
        code: the numbers. A number outside its limits counts as the nearest inside.
        leaves: the leaves that the tree may have.

    Raises: BadInput for a tree of more than MAX_NODES nodes.
    """
    whole = []
    for value, bound in zip(code, limits(len(leaves), len(code) // 3), strict=True):
        whole.append(min(max(round(float(value)), 0), bound - 1))
    sizes = [1] * len(leaves)
    for k in range(len(code) // 3):
        sizes.append(1 + sizes[whole[3 * k + 1]] + sizes[whole[3 * k + 2]])
    if sizes[whole[-1]] > MAX_NODES:
        raise BadInput(
            f"a code of {sizes[whole[-1]]} nodes",
            f"at most {MAX_NODES}",
            "search with fewer operators",
        )

    def tree(at: int) -> Tree:
        if at < len(leaves):
            return leaves[at]
        operator, left, right = whole[3 * (at - len(leaves)) : 3 * (at - len(leaves)) + 3]
        return Apply(OPERATORS[operator], tree(left), tree(right))

    return tree(whole[-1])
