"""The rules of a file one by one, with their numbers as they act; without JAX."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from metaplast.language import expression as _expression
from metaplast.language.account import LAWS, Account, from_plain
from metaplast.language.expression import Tree
from metaplast.registry import BadInput, current_name
from metaplast.reuse.document import entries
from metaplast.reuse.rule_file import subtree
from metaplast.reuse.text import printable

Plain = dict[str, Any]
Tensors = Mapping[str, np.ndarray]
Number = float | int | str


class Node(NamedTuple):
    """One rule: its plain spec, how theta moves its numbers, its own leaves of theta by dotted
    name, the rules inside by label."""

    spec: Plain
    account: Account
    leaves: dict[str, np.ndarray]
    parts: dict[str, "Node"]

    @property
    def name(self) -> str:
        """The registered name of the rule; of an old name, the name of today."""
        return current_name("rule", self.spec["name"])


def node(spec: Plain, account: Account, theta: Any) -> Node:
    """The node of a rule from its plain spec and its theta, nested dicts of arrays."""
    theta = theta if isinstance(theta, dict) else {"": theta}
    parts = {}
    rest = theta
    for label, part in account.parts.items():
        inner = theta
        for name in part.leaves:
            inner = inner.get(name, {}) if isinstance(inner, dict) else {}
        parts[label] = node(_at(spec, part.fields), part.account, inner)
        taken = part.leaves[:1] or tuple(name for name in rest if name not in _moved(account))
        rest = {name: leaf for name, leaf in rest.items() if name not in taken}
    return Node(spec, account, _flat(rest), parts)


def nodes(document: Plain, tensors: Tensors) -> dict[str, Node]:
    """{entry: node} of every theta of a rule file. Where a file holds no account, leaves are shown
    as they are: see ask.whole."""
    rules = {}
    for key, entry in entries(document).items():
        account = from_plain(entry.slot["account"]) if "account" in entry.slot else Account()
        rules[key] = node(entry.slot["rule"], account, subtree(entry.prefix, tensors))
    return rules


def walk(start: Node, mark: str = "") -> Iterator[tuple[str, Node]]:
    """The node and all inside it: (mark, node); a mark names the parts of rules that have several."""
    yield mark, start
    for label, part in start.parts.items():
        yield from walk(part, mark if len(start.parts) == 1 else f"{mark}{label}: ")


def rate(node: Node) -> float:
    """The factor in front of terms or of an expression, as it acts."""
    return _acting(node, "rate")


def coefficients(node: Node) -> dict[str, float]:
    """{term: c_k} as they act, before the rate; {} for a rule that is no list of terms."""
    if node.account.shows != "terms":
        return {}
    names = node.spec["terms"]
    start = [float(value) for value in node.spec.get("initial") or [0.0] * len(names)]
    return dict(zip(names, _acting_each(node, "initial", start), strict=True))


def tree(node: Node) -> Tree:
    """The expression, its numbers as they act."""
    bare = _expression.parse(node.spec["expression"])
    start = [float(value) for value in _expression.numbers(bare)]
    return _expression.filled(bare, iter(_acting_each(node, "expression", start)))


def learned(node: Node) -> dict[str, float]:
    """The constants that theta moves, as they act; neither coefficients nor the numbers of an
    expression.
    """
    values: dict[str, float] = {}
    for name in node.account.moved:
        if name == node.account.listed:
            continue
        start = node.spec[name]
        if isinstance(start, list):
            values |= {
                f"{name}[{index}]": each
                for index, each in enumerate(_acting_each(node, name, start))
            }
        else:
            values[name] = _acting(node, name)
    return values


def unmoving(node: Node) -> dict[str, np.ndarray]:
    """Leaves of theta that stand for no number that the rule speaks of."""
    return {name: leaf for name, leaf in node.leaves.items() if name not in _moved(node.account)}


def constants(node: Node) -> dict[str, Number]:
    """The fields of a rule as they act: numbers, text, lists of those; and scalar leaves that move
    no field.
    """
    values: dict[str, Number] = {}
    scalars = {name: leaf for name, leaf in unmoving(node).items() if leaf.size == 1}
    for name, value in node.spec.items():
        if name in node.account.hidden:
            continue
        if name in node.account.moved and name != node.account.listed:
            values[name] = (
                _listed(_acting_each(node, name, value))
                if isinstance(value, list)
                else _acting(node, name)
            )
        elif (
            name != "name" and isinstance(value, int | float | str) and not _shadowed(name, scalars)
        ):
            values[name] = value
        elif isinstance(value, list):
            values[name] = _listed(value)
    values.update(
        {f"learnt {printable(name)}": float(leaf.reshape(-1)[0]) for name, leaf in scalars.items()}
    )
    return values


def _listed(values: Iterable[Any]) -> str:
    shown = (f"{each:.4g}" if isinstance(each, float) else str(each) for each in values)
    return "[" + ", ".join(shown) + "]"


def _shadowed(name: str, scalars: Mapping[str, np.ndarray]) -> bool:
    """Whether a leaf bears the name of the field but moves it in a way that nobody knows: the field
    may not act.
    """
    return any(leaf == name or leaf.endswith(f"_{name}") for leaf in scalars)


def _acting(node: Node, field: str) -> float:
    value = float(node.spec[field])
    moved = node.account.moved.get(field)
    if moved is None or moved.leaf not in node.leaves:
        return value
    return LAWS[moved.law].acts(value, float(node.leaves[moved.leaf].reshape(-1)[0]))


def _acting_each(node: Node, field: str, start: list[float]) -> list[float]:
    moved = node.account.moved.get(field)
    if moved is None or moved.leaf not in node.leaves:
        return start
    leaf = node.leaves[moved.leaf]
    if leaf.shape != (len(start),):
        raise BadInput(
            f"{moved.leaf} of shape {list(leaf.shape)}", f"[{len(start)}]", "correct the file"
        )
    return [
        LAWS[moved.law].acts(value, float(more)) for value, more in zip(start, leaf, strict=True)
    ]


def _moved(account: Account) -> set[str]:
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
