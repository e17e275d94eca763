"""The lines of an answer: expressions as text, and their place in the flat vector of theta."""

from dataclasses import dataclass
from typing import NamedTuple

import jax
import numpy as np

from metaplast.language import expression
from metaplast.language.expression import Tree
from metaplast.language.grammar import MAX_LENGTH, RATE_UNIT
from metaplast.registry import BadInput
from metaplast.rules.symbolic import Symbolic
from outer_loops._trees import Places

WIDTH = MAX_LENGTH + 1
"""The bytes of a line that are kept: one more than an expression may have, so that a longer line is
refused.
"""
COMMENT = b"#"


@jax.tree_util.register_static
@dataclass(frozen=True)
class Searched:
    """The rule whose tree is searched, and the places of its numbers in the flat vector of theta.

    It is a tree without leaves, so that a state may hold it.

    rule: the rule
    code: the genes of its tree
    constants: the numbers of the tree
    log_rate: its rate; () where theta holds none
    """

    rule: Symbolic
    code: tuple[int, ...]
    constants: tuple[int, ...]
    log_rate: tuple[int, ...]


class Line(NamedTuple):
    """A line of an answer.

    text: the line as it was written
    flat [n]: the theta of its expression; None where the line is refused
    error: why it is refused; empty where it is not
    """

    text: str
    flat: np.ndarray | None
    error: str


def searched(where: Places) -> Searched | None:
    """The searched rule of these places; None where theta holds no tree."""
    if where.rule is None or not where.code.size:
        return None
    indices = (where.code, where.constants, where.own_rate)
    return Searched(where.rule, *[tuple(places.tolist()) for places in indices])


def split(answer: bytes) -> list[bytes]:
    """The lines of an answer, cut to WIDTH bytes; empty lines and comments are left out."""
    lines = [line.strip() for line in answer.replace(b"\0", b"?").splitlines()]
    return [line[:WIDTH] for line in lines if line and not line.startswith(COMMENT)]


def kept(lines: list[bytes], n: int) -> np.ndarray:
    """The first n lines as an array that a checkpoint holds [n, WIDTH], 0 behind their ends."""
    array = np.zeros((n, WIDTH), np.uint8)
    for row, line in zip(array, lines, strict=False):
        row[: len(line)] = np.frombuffer(line, np.uint8)
    return array


def read(rule: Searched, start: np.ndarray, lines: np.ndarray) -> list[Line]:
    """The lines of an answer that is kept as an array. A text is parsed, and never run.

    Args:
        rule: the searched rule.
        start: the theta at the start [n]; an expression replaces its tree and the tree's numbers.
        lines: as `kept` gives them [n_lines, WIDTH].
    """
    answer = []
    for row in lines:
        text = row.tobytes().rstrip(b"\0").decode(errors="replace")
        if not text:
            continue
        try:
            answer.append(Line(text, _flat(rule, start, text), ""))
        except BadInput as error:
            answer.append(Line(text, None, str(error)))
    return answer


def _flat(rule: Searched, start: np.ndarray, text: str) -> np.ndarray:
    """The theta of an expression [n]. Raises: BadInput."""
    tree = expression.parse(text)
    at_start = rule.rule.numbers()
    written = expression.numbers(tree)
    if len(written) > len(at_start):
        raise BadInput(
            f"{len(written)} numbers in expression {text!r}",
            f"at most rule.n_constants={len(at_start)}",
            "write fewer numbers, or raise n_constants",
        )
    values = at_start
    if rule.constants:
        values = (*written, *at_start[len(written) :])
    code = expression.encode(tree, rule.rule.leaves(values), rule.rule.size)
    flat = start.copy()
    flat[list(rule.code)] = [float(gene or 0) for gene in code]
    flat[list(rule.constants)] = np.subtract(values, at_start)[: len(rule.constants)]
    return flat


def tree_of(rule: Searched, flat: np.ndarray) -> Tree:
    """The tree of a theta [n]."""
    theta = {"code": flat[list(rule.code)]}
    if rule.constants:
        theta["constants"] = flat[list(rule.constants)]
    settled, _ = rule.rule.settled(theta)
    assert isinstance(settled, Symbolic)
    return settled.tree()


def show(tree: Tree) -> str:
    """The text of a tree, its numbers with six digits."""
    return expression.show(tree, lambda value: f"{value:.6g}")


def rate_of(rule: Searched, flat: np.ndarray) -> float:
    """The rate of a theta [n]: the factor in front of its expression."""
    rate = float(rule.rule.rate)
    for place in rule.log_rate:
        rate *= float(np.exp(RATE_UNIT * flat[place]))
    return rate
