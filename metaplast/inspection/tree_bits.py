"""The bits of expression trees, and their constants among the searched numbers."""

import math
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from metaplast.inspection.knock_out import at, entries, expressions, with_leaf
from metaplast.language.expression import (
    OPERATORS,
    Tree,
    filled,
    nodes,
    numbers,
    parse,
    show,
    signals,
)
from metaplast.language.grammar import SIGNALS
from metaplast.life.lifetime import Lifetime
from metaplast.problem.meta_problem import MetaProblem
from metaplast.registry import find
from metaplast.rules.symbolic import Symbolic
from metaplast.signals import Theta
from metaplast.spec import decode, encode

_OPENED = {"none": "constants", "rate": "both"}
"""`learn` of an expression without learned constants -> `learn` with them."""


class TreeBits(NamedTuple):
    """The bits of the form of the expression trees of a rule.

    n_nodes: nodes of all trees.
    n_constants: those that are numbers.
    n_operators, n_terminals: the symbols among which each node is one.
    """

    n_nodes: int
    n_constants: int
    n_operators: int
    n_terminals: int

    @property
    def form(self) -> float:
        """nodes log2(operators + terminals): the bits of the trees without their constants."""
        return self.n_nodes * math.log2(self.n_operators + self.n_terminals)

    def total(self, bits: int) -> float:
        """nodes log2(operators + terminals) + constants * bits."""
        return self.form + self.n_constants * bits


def bits_of_trees(trees: list[Tree]) -> TreeBits:
    """The bits of expression trees in the language of rules.

    A terminal is any signal of the language, a further one that only these trees read (such as a
    modulator), or a number.

    Args:
        trees: the trees.
    """
    n_nodes = 0
    n_constants = 0
    further: set[str] = set()
    for tree in trees:
        n_nodes += len(list(nodes(tree)))
        n_constants += len(numbers(tree))
        further |= set(signals(tree)) - set(SIGNALS)
    return TreeBits(n_nodes, n_constants, len(OPERATORS), len(SIGNALS) + len(further) + 1)


def tree_bits(lifetime: Lifetime) -> TreeBits:
    """The bits of the form of the trees of all rules; the edges of a slot share it.

        bits = nodes log2(#operators + #terminals) + constants * bits of a number

    The constants are among the searched numbers (`opened_constants`), so that their bits are
    counted there.

    Args:
        lifetime: with the rules.

    Source:
        own definition.
    """
    trees = []
    for slot in lifetime.slots:
        for part in expressions(slot):
            trees.append(parse(part.spec["expression"]))
            if part.spec.get("eligibility"):
                trees.append(parse(part.spec["eligibility"]))
    return bits_of_trees(trees)


def opened_constants(problem: MetaProblem, theta: Theta) -> tuple[MetaProblem, Theta]:
    """The same lives, with the constants of every expression in theta as they act.

    An expression holds the constants at which its search began, and theta what was added to them.
    Here the expression holds zeros, and theta holds all. Nothing else changes.

    Args:
        problem: the problem.
        theta: of the problem.

    Returns: the problem and its theta; the same where no expression has a constant.
    """
    lifetime = problem.lifetime
    rules = theta["rules"]
    slots = []
    for slot in lifetime.slots:
        plain = encode(slot.rule)
        for part in expressions(slot):
            tree = parse(part.spec["expression"])
            start = np.asarray(numbers(tree))
            if not len(start) or not issubclass(find("rule", part.spec["name"]), Symbolic):
                continue
            learn = part.spec["learn"]
            zeros = show(filled(tree, iter(np.zeros(len(start)).tolist())))
            plain = with_leaf(plain, (*part.fields, "expression"), zeros)
            plain = with_leaf(plain, (*part.fields, "learn"), _OPENED.get(learn, learn))
            for entry in entries(lifetime):
                if entry.slot != slot:
                    continue
                path = (*entry.path, *part.leaves, "constants")
                added = np.zeros(len(start), np.float32)
                if learn not in _OPENED:
                    added = np.asarray(at(rules, path))
                rules = with_leaf(rules, path, (start + added).astype(added.dtype))
        slots.append(replace(slot, rule=decode("rule", plain)))
    if tuple(slots) == lifetime.slots:
        return problem, theta
    opened = replace(problem, lifetime=replace(lifetime, slots=tuple(slots)))
    return opened, {**theta, "rules": rules}
