"""The rules of a file as nodes, with their numbers as they act; without JAX."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from metaplast.language import expression as _expression
from metaplast.language.account import LAWS, Account, from_plain
from metaplast.language.expression import Tree
from metaplast.registry import BadInput, Plain, current_name
from metaplast.reuse.document import entries
from metaplast.reuse.rule_file import subtree
from metaplast.reuse.text import printable

Tensors = Mapping[str, np.ndarray]
Number = float | int | str


class Node(NamedTuple):
    """One rule.

    spec: form of the rule as plain data.
    account: account of its numbers.
    leaves: {dotted name: leaf} of theta, without the leaves of its parts.
    parts: {label: node} of the rules inside it.
    """

    spec: Plain
    account: Account
    leaves: dict[str, np.ndarray]
    parts: dict[str, "Node"]

    @property
    def name(self) -> str:
        """The current registered name of the rule, also where the file has an old name."""
        return current_name("rule", self.spec["name"])


def node(spec: Plain, account: Account, theta: Any) -> Node:
    """The node of a rule.

    Args:
        spec: the form of the rule as plain data.
        account: the account of its numbers.
        theta: nested dicts of arrays, or one array.
    """
    if not isinstance(theta, dict):
        theta = {"": theta}
    parts = {}
    rest = theta
    for label, part in account.parts.items():
        inner = theta
        for name in part.leaves:
            inner = inner.get(name, {}) if isinstance(inner, dict) else {}
        parts[label] = node(_at(spec, part.fields), part.account, inner)
        # A part without a path has the theta of the rule, but for the leaves that the rule moves.
        of_part = set(part.leaves[:1]) or set(rest) - _moved(account)
        rest = {name: leaf for name, leaf in rest.items() if name not in of_part}
    return Node(spec, account, _flat(rest), parts)


def nodes(document: Plain, tensors: Tensors) -> dict[str, Node]:
    """{entry: node} of every theta of a rule file.

    A rule without an account in the file gets an empty account, which shows leaves as they are.
    `ask.whole` adds the accounts.

    Args:
        document: the document of the file.
        tensors: the tensors of the file.
    """
    rules = {}
    for key, entry in entries(document).items():
        account = Account()
        if "account" in entry.slot:
            account = from_plain(entry.slot["account"])
        rules[key] = node(entry.slot["rule"], account, subtree(entry.prefix, tensors))
    return rules


def walk(start: Node, mark: str = "") -> Iterator[tuple[str, Node]]:
    """(mark, node) of a node and of all nodes inside it.

    The mark of a node names the part in which it stands, where a rule has several parts.

    Args:
        start: the node.
        mark: the mark of the node.
    """
    yield mark, start
    for label, part in start.parts.items():
        mark_of_part = mark
        if len(start.parts) > 1:
            mark_of_part = f"{mark}{label}: "
        yield from walk(part, mark_of_part)


def rate(node: Node) -> float:
    """The factor in front of terms or of an expression, as it acts."""
    return _acting(node, "rate")


def coefficients(node: Node) -> dict[str, float]:
    """{term: c_k} as they act, before the rate; {} for a rule without terms."""
    if node.account.shows != "terms":
        return {}
    names = node.spec["terms"]
    start = list(map(float, node.spec.get("initial") or [0.0] * len(names)))
    return dict(zip(names, _acting_each(node, "initial", start), strict=True))


def tree(node: Node) -> Tree:
    """The expression of a rule, with its numbers as they act."""
    bare = _expression.parse(node.spec["expression"])
    start = list(map(float, _expression.numbers(bare)))
    return _expression.filled(bare, iter(_acting_each(node, "expression", start)))


def learned(node: Node) -> dict[str, float]:
    """{name: value} of the constants that theta moves, as they act.

    Coefficients and numbers of an expression are not among them.
    """
    values: dict[str, float] = {}
    for name in node.account.moved:
        if name == node.account.listed:
            continue
        start = node.spec[name]
        if isinstance(start, list):
            for index, number in enumerate(_acting_each(node, name, start)):
                values[f"{name}[{index}]"] = number
        else:
            values[name] = _acting(node, name)
    return values


def unmoving(node: Node) -> dict[str, np.ndarray]:
    """{dotted name: leaf} of the leaves that move no field of the account."""
    return {name: leaf for name, leaf in node.leaves.items() if name not in _moved(node.account)}


def constants(node: Node) -> dict[str, Number]:
    """{name: value} of the fields of a rule as they act, and of its scalar leaves that move none.

    A field holds a number, a text, or a list of these.
    """
    values: dict[str, Number] = {}
    scalars = {name: leaf for name, leaf in unmoving(node).items() if leaf.size == 1}
    for name, value in node.spec.items():
        if name in node.account.hidden:
            continue
        if name in node.account.moved and name != node.account.listed:
            if isinstance(value, list):
                values[name] = _listed(_acting_each(node, name, value))
            else:
                values[name] = _acting(node, name)
        elif isinstance(value, list):
            values[name] = _listed(value)
        elif name == "name" or _shadowed(name, scalars):
            continue
        elif isinstance(value, int | float | str):
            values[name] = value
    for name, leaf in scalars.items():
        values[f"learnt {printable(name)}"] = float(leaf.reshape(-1)[0])
    return values


def _listed(values: Iterable[Any]) -> str:
    """A list of values as text."""
    texts = []
    for value in values:
        if isinstance(value, float):
            texts.append(f"{value:.4g}")
        else:
            texts.append(str(value))
    return "[" + ", ".join(texts) + "]"


def _shadowed(name: str, scalars: Mapping[str, np.ndarray]) -> bool:
    """Whether a leaf has the name of a field.

    It may move the field by an unknown law, so that the field may not act as it stands.
    """
    return any(leaf == name or leaf.endswith(f"_{name}") for leaf in scalars)


def _acting(node: Node, field: str) -> float:
    """A number of a field as it acts."""
    value = float(node.spec[field])
    moved = node.account.moved.get(field)
    if moved is None or moved.leaf not in node.leaves:
        return value
    return LAWS[moved.law].acts(value, float(node.leaves[moved.leaf].reshape(-1)[0]))


def _acting_each(node: Node, field: str, start: list[float]) -> list[float]:
    """The numbers of a field that holds a list, as they act."""
    moved = node.account.moved.get(field)
    if moved is None or moved.leaf not in node.leaves:
        return start
    leaf = node.leaves[moved.leaf]
    if leaf.shape != (len(start),):
        raise BadInput(
            f"{moved.leaf} of shape {list(leaf.shape)}", f"[{len(start)}]", "correct the file"
        )
    acts = LAWS[moved.law].acts
    return [acts(value, float(moving)) for value, moving in zip(start, leaf, strict=True)]


def _moved(account: Account) -> set[str]:
    """The leaves that move fields."""
    return {moved.leaf for moved in account.moved.values()}


def _at(spec: Any, path: tuple[str, ...]) -> Any:
    for name in path:
        spec = spec[name]
    return spec


def _flat(theta: Plain, prefix: str = "") -> dict[str, np.ndarray]:
    leaves: dict[str, np.ndarray] = {}
    for name, value in theta.items():
        if isinstance(value, dict):
            leaves.update(_flat(value, f"{prefix}{name}."))
        else:
            leaves[f"{prefix}{name}"] = np.asarray(value)
    return leaves
