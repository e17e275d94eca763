"""The searched numbers in the words of the rule's formula: their names, and how they act."""

from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

from metaplast.inspection.subject import Subject
from metaplast.reuse.node import Node, coefficients, learned, nodes, walk
from metaplast.reuse.rule_file import flatten
from metaplast.signals import Theta


def names(subject: Subject) -> list[str]:
    """A name for every searched number, in the order of `jax.flatten_util.ravel_pytree`.

    A number of a rule has the name of its term or constant, such as `post*pre` or `rate`. Where the
    file holds several rules, the entry stands first: `rule/hidden_0: error*pre`. Any other number
    has the path of its leaf.

    Args:
        subject: the rule in its task.
    """
    places = _places(subject.theta)
    named = _paths(places)
    for start, part in _parts(subject, places["rules"]):
        for place, name in _of_node(part).items():
            named[place] = f"{start}{name}"
    return named


def acting(subject: Subject, theta: Theta) -> np.ndarray:
    """The searched numbers [n] as they act, in the order of `names`.

    A coefficient acts with the start to which theta adds, and a rate as the rate itself. Numbers
    that move no field of a rule are those of theta.

    Args:
        subject: the rule in its task.
        theta: of the whole problem.
    """
    leaves = [np.asarray(leaf, np.float64).reshape(-1) for leaf in jax.tree.leaves(theta)]
    values = np.concatenate(leaves)
    places = _parts(subject, _places(theta)["rules"])
    for (_, of_places), (_, part) in zip(places, _parts(subject, theta["rules"]), strict=True):
        acts = {**coefficients(part), **learned(part)}
        for place, name in _of_node(of_places).items():
            if name in acts:
                values[place] = acts[name]
    return values


def of_rules(theta: Theta) -> np.ndarray:
    """Marks [n] of the numbers of the rules, in the order of `names`.

    Args:
        theta: of the whole problem.
    """
    marks = []
    for path, leaf in jax.tree.leaves_with_path(theta):
        marks.append(np.full(np.size(leaf), getattr(path[0], "key", "") == "rules"))
    return np.concatenate(marks)


def _parts(subject: Subject, rules: Any) -> list[tuple[str, Node]]:
    """(What stands before the names of its numbers, node) of all rules of the file.

    None where the file does not hold the rules of the subject as they were searched.

    Args:
        subject: the rule in its task.
        rules: a tree like theta["rules"], whose leaves the nodes get.
    """
    file = subject.file
    if not file.document:
        return []
    of_rules: dict[str, np.ndarray] = {}
    for slot, tree in rules.items():
        of_rules |= flatten(slot, tree)
    if {name: leaf.shape for name, leaf in of_rules.items()} != _shapes(file.tensors):
        return []
    entries = nodes(file.document, of_rules)
    parts = []
    for entry, rule in entries.items():
        start = ""
        if len(entries) > 1:
            start = f"{entry}: "
        for mark, part in walk(rule):
            parts.append((f"{start}{mark}", part))
    return parts


def _places(theta: Any) -> Any:
    """A tree like theta whose numbers are their places in the flat vector."""
    leaves, tree = jax.tree.flatten(theta)
    first = 0
    places = []
    for leaf in leaves:
        shape = np.shape(leaf)
        size = int(np.prod(shape))
        places.append(np.arange(first, first + size, dtype=np.int32).reshape(shape))
        first += size
    return jax.tree.unflatten(tree, places)


def _paths(places: Any) -> list[str]:
    """The path of its leaf for every number, with an index where the leaf has several."""
    named = []
    for path, leaf in jax.tree.leaves_with_path(places):
        name = jax.tree_util.keystr(path, simple=True, separator="/")
        for index in range(leaf.size):
            named.append(name if leaf.size == 1 else f"{name}[{index}]")
    return named


def _shapes(tensors: Mapping[str, np.ndarray]) -> dict[str, tuple[int, ...]]:
    return {name: tensor.shape for name, tensor in tensors.items()}


def _of_node(part: Node) -> dict[int, str]:
    """{place in the flat vector: name} of the numbers of one rule, without those of its parts."""
    fields = {moved.leaf: field for field, moved in part.account.moved.items()}
    named = {}
    for leaf, places in part.leaves.items():
        field = fields.get(leaf, leaf)
        flat = places.reshape(-1)
        for index, place in enumerate(flat):
            name = field
            if field == part.account.listed and part.account.shows == "terms":
                name = part.spec["terms"][index]
            elif len(flat) > 1:
                name = f"{field}[{index}]"
            named[int(place)] = name
    return named
