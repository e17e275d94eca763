"""A rule as the start of a new search.

The numbers of the rule are written into its spec. Those that no field of the spec holds, such as
the layers of `mlp`, stand beside it. So a search that starts from it needs no file, and its config
says all.
"""

from collections.abc import Callable, Collection, Iterable
from copy import deepcopy
from typing import Any, NamedTuple

import numpy as np

from metaplast.language import expression as _expression
from metaplast.language.account import from_plain
from metaplast.language.numbers import as_text
from metaplast.registry import BadInput, Plain, nearest
from metaplast.reuse import rule_file
from metaplast.reuse.document import MAX_ANCESTORS, MAX_WORDS, entries
from metaplast.reuse.known import facts_of, is_name, known_rule, rule_path
from metaplast.reuse.node import (
    Node,
    coefficients,
    learned,
    node,
    nodes,
    rate,
    tree,
    unmoving,
    walk,
)
from metaplast.reuse.text import printable, quote

FREE = "free"
FROZEN = "frozen"
"""The labels of the two parts of a rule of which some terms are frozen."""


class Start(NamedTuple):
    """The start of a search.

    spec: the plain spec of its rule.
    ancestry: the ancestors as {rule, sha256, change}, the eldest first.
    numbers: {dotted name of a leaf of theta: its numbers as text}, of leaves that no field holds.
    frozen: names in `numbers` of leaves that the search does not move.
    """

    spec: Plain
    ancestry: list[Plain]
    numbers: dict[str, str]
    frozen: list[str]


def _as_it_is(spec: Plain) -> Plain:
    return spec


def start_of(
    path_or_name: str,
    edge: str | None = None,
    freeze: Collection[str] = (),
    drop: Collection[str] = (),
    laid: Callable[[Plain], Plain] = _as_it_is,
) -> Start:
    """The spec of a rule that starts as a rule of a file acts, its ancestry, and its leaves.

    A rule that learned numbers goes on learning those. A rule that learned none, such as a known
    rule, gets all of its numbers searched. Frozen terms keep their coefficients; the others move. A
    frozen leaf keeps its numbers, and a dropped leaf is 0 and stays so.

    Args:
        path_or_name: the path of a rule file or of the folder of a run, the name of a known rule,
            or `zoo/NAME`.
        edge: the edge whose rule is taken, for a file of several rules.
        freeze: terms, and leaves of numbers that no field holds, that the search shall not move.
            `layer_0` stands for `layer_0.weight` and `layer_0.bias`.
        drop: terms and such leaves that are left out.
        laid: a function that lays further fields on the spec, before terms are dropped and frozen.

    Raises: BadInput for a rule that cannot be read, and for an edge, a term or a leaf that it does
        not have.
    """
    where = f"rule.from={quote(path_or_name, 200)}"
    if is_name(path_or_name):
        start = _known(path_or_name)
        ancestry: list[Plain] = []
        digest = ""
    else:
        file = rule_file.read_rule(rule_path(path_or_name))
        start = _entry(file, edge, where)
        ancestry = list(file.document["ancestry"])
        digest = rule_file.checksum(file.document, file.tensors)
    if len(ancestry) >= MAX_ANCESTORS:
        expected = f"at most {MAX_ANCESTORS - 1}"
        raise BadInput(f"{where}: {len(ancestry)} ancestors", expected, "start from an earlier one")
    leaves = _leaves(start)
    _check_names(start, leaves, {*freeze, *drop}, where)
    spec = _written(start)
    if not _learns(start):
        spec = _opened(spec)
    spec = laid(spec)
    if drop:
        left = _without(spec, start, frozenset(drop))
        if left is None:
            raise BadInput(f"{where}: no term is left", "a term that is left", "drop fewer terms")
        spec = left
    if freeze:
        spec = _frozen(spec, start, frozenset(freeze))
    name = path_or_name
    if edge is not None:
        name = f"{path_or_name}, edge {edge}"
    facts = {"rule": printable(name), "sha256": digest, "change": _change(freeze, drop)}
    ancestor = {key: text[:MAX_WORDS] for key, text in facts.items()}
    numbers = {}
    frozen = []
    for leaf, values in leaves.items():
        is_dropped = _is_named(leaf, drop)
        numbers[leaf] = as_text(np.zeros_like(values) if is_dropped else values)
        if is_dropped or _is_named(leaf, freeze):
            frozen.append(leaf)
    return Start(spec, [*ancestry, ancestor], numbers, frozen)


def _known(name: str) -> Node:
    """The node of a known rule, with all fields of its form."""
    from metaplast.spec import decode, encode  # a known rule leaves fields out: the form has them

    spec = encode(decode("rule", known_rule(name)))
    return node(spec, from_plain(facts_of(name)["account"]), {})


def _entry(file: rule_file.RuleFile, edge: str | None, where: str) -> Node:
    """The node of the rule of an edge, or of the only rule. Raises: BadInput where it is open."""
    if any("account" not in slot for slot in file.document["slots"].values()):
        from metaplast.reuse.ask import whole  # a file of 0.1.0: the code has to be asked

        file = whole(file)
    by_key = nodes(file.document, file.tensors)
    if edge is None and len(by_key) == 1:
        return next(iter(by_key.values()))
    edges: list[str] = []
    for key, entry in entries(file.document).items():
        edges += entry.edges
        if edge in entry.edges:
            return by_key[key]
    listed = ", ".join(edges[:20])
    if edge is None:
        raise BadInput(f"{where}: {len(by_key)} rules", f"rule.edge=one of {listed}", "name one")
    raise BadInput(
        f"{where}: rule.edge={quote(edge)}", f"one of {listed}", nearest(edge, edges, "choose one")
    )


def _leaves(start: Node, prefix: str = "") -> dict[str, np.ndarray]:
    """{dotted name: leaf} of theta, of the leaves that move no field of the spec.

    Args:
        start: the node of the rule.
        prefix: of the names, with a dot at its end.
    """
    leaves = {f"{prefix}{name}": leaf for name, leaf in unmoving(start).items()}
    for label, part in start.parts.items():
        path = "".join(f"{name}." for name in start.account.parts[label].leaves)
        leaves |= _leaves(part, f"{prefix}{path}")
    return leaves


def _is_named(leaf: str, names: Iterable[str]) -> bool:
    """Whether a leaf, or a part of theta in which it stands, is named."""
    return any(leaf == name or leaf.startswith(f"{name}.") for name in names)


def _check_names(start: Node, leaves: Iterable[str], named: Iterable[str], where: str) -> None:
    """Raises: BadInput for a term or a leaf that the rule does not have."""
    known: list[str] = []
    for _, inner in walk(start):
        known += coefficients(inner)
    known += leaves
    for name in named:
        if name not in known and not any(_is_named(leaf, [name]) for leaf in leaves):
            listed = ", ".join(known[:40]) or "none: it is no rule of terms"
            fix = nearest(name, known, "write it as the rule does")
            raise BadInput(f"{where}: term {quote(name)}", f"one of {listed}", fix)


def _learns(start: Node) -> bool:
    """Whether the rule has numbers of its own in theta."""
    return any(inner.leaves for _, inner in walk(start))


def _written(start: Node) -> Plain:
    """The spec with the numbers of the rule as they act, as far as fields hold them."""
    spec = deepcopy(start.spec)
    if start.account.shows == "terms":
        spec["initial"] = list(coefficients(start).values())
    for field in start.account.moved:
        if field == "initial":
            continue
        if field == "expression" and start.account.shows == "expression":
            spec["expression"] = _expression.show(tree(start))
        elif isinstance(spec[field], list):
            values = learned(start)
            spec[field] = [values[f"{field}[{index}]"] for index in range(len(spec[field]))]
        elif field == "rate":
            spec["rate"] = rate(start)
        else:
            spec[field] = learned(start)[field]
    for label, part in start.parts.items():
        fields = start.account.parts[label].fields
        _put(spec, fields, _written(part))
    return spec


def _put(spec: Plain, path: tuple[str, ...], value: Plain) -> None:
    """Put a spec at a path of fields of another one."""
    _at(spec, path[:-1])[path[-1]] = value


def _opened(spec: Any) -> Any:
    """The spec with every number that may be learned in theta."""
    if not isinstance(spec, dict):
        return spec
    opened = {key: _opened(value) for key, value in spec.items()}
    for switch in ("learn", "learn_tau"):
        if opened.get(switch) is False:
            opened[switch] = True
    if opened.get("learn") == "none":
        opened["learn"] = "both"
    return opened


def _without(spec: Plain, start: Node, drop: frozenset[str]) -> Plain | None:
    """The spec without some terms, in it and in the rules inside it; None where no term is left.

    A part of a sum of which no term is left is left out.
    """
    kept = deepcopy(spec)
    for label, part in start.parts.items():
        path = start.account.parts[label].fields
        inner = _without(_at(kept, path), part, drop)
        if inner is not None:
            _put(kept, path, inner)
        elif len(path) == 1:
            return None
        else:
            del _at(kept, path[:-1])[path[-1]]
            if not _at(kept, path[:-1]):
                return None
    if start.account.shows == "terms":
        kept = _only(kept, [term for term in kept["terms"] if term not in drop])
        if not kept["terms"]:
            return None
    return kept


def _frozen(spec: Plain, start: Node, freeze: frozenset[str]) -> Plain:
    """The spec in which some terms stand in a part that nothing moves.

    Args:
        spec: the spec, from which terms may have been dropped.
        start: the node of the whole rule.
        freeze: the terms that nothing moves.
    """
    changed = deepcopy(spec)
    for label, part in start.parts.items():
        path = start.account.parts[label].fields
        if len(path) == 1 or path[-1] in _at(changed, path[:-1]):
            _put(changed, path, _frozen(_at(changed, path), part, freeze))
    if start.account.shows != "terms":
        return changed
    held = [term for term in changed["terms"] if term in freeze]
    free = [term for term in changed["terms"] if term not in freeze]
    if not held:
        return changed
    fixed = {**_only(changed, held), "learn": "none"}
    if "learn_tau" in fixed:
        fixed["learn_tau"] = False
    if not free:
        return fixed
    return {"name": "sum", "rules": {FREE: _only(changed, free), FROZEN: fixed}}


def _at(spec: Any, path: tuple[str, ...]) -> Any:
    """The part of a spec at a path of fields."""
    for name in path:
        spec = spec[name]
    return spec


def _only(spec: Plain, terms: list[str]) -> Plain:
    """The spec of a rule of terms with some of its terms alone."""
    initial = dict(zip(spec["terms"], spec["initial"], strict=True))
    return {**spec, "terms": terms, "initial": [initial[term] for term in terms]}


def _change(freeze: Collection[str], drop: Collection[str]) -> str:
    """The way from a rule to the search that starts from it, in words."""
    words = "started a search"
    if freeze:
        words += f"; frozen: {', '.join(freeze)}"
    if drop:
        words += f"; dropped: {', '.join(drop)}"
    return printable(words)
