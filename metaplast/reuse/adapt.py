"""A rule as the start of a new search.

The numbers of the rule are written into its spec. So a search that starts from it needs no file,
and its config says all.
"""

from collections.abc import Callable, Collection, Iterable
from copy import deepcopy
from typing import Any

from metaplast.language import expression as _expression
from metaplast.language.account import from_plain
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


def _as_it_is(spec: Plain) -> Plain:
    return spec


def start_of(
    path_or_name: str,
    edge: str | None = None,
    freeze: Collection[str] = (),
    drop: Collection[str] = (),
    laid: Callable[[Plain], Plain] = _as_it_is,
) -> tuple[Plain, list[Plain]]:
    """The spec of a rule that starts as a rule of a file acts, and its ancestry.

    A rule that learned numbers goes on learning those. A rule that learned none, such as a known
    rule, gets all of its numbers searched. Frozen terms keep their coefficients; the others move.

    Args:
        path_or_name: the path of a rule file or of the folder of a run, the name of a known rule,
            or `zoo/NAME`.
        edge: the edge whose rule is taken, for a file of several rules.
        freeze: terms that the search shall not move.
        drop: terms that are left out.
        laid: a function that lays further fields on the spec, before terms are dropped and frozen.

    Returns: the plain spec, and the ancestors as {rule, sha256, change}, the eldest first.
    Raises: BadInput for a rule that cannot be read, an edge or a term that it does not have, and
        for a rule whose numbers are tables, such as those of `mlp` and `abcd`.
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
    _check_terms(start, {*freeze, *drop}, where)
    spec = _written(start, where)
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
    return spec, [*ancestry, ancestor]


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


def _check_terms(start: Node, named: Iterable[str], where: str) -> None:
    """Raises: BadInput for a term that the rule does not have."""
    known: list[str] = []
    for _, inner in walk(start):
        known += coefficients(inner)
    for term in named:
        if term not in known:
            listed = ", ".join(known[:40]) or "none: it is no rule of terms"
            fix = nearest(term, known, "write it as the rule does")
            raise BadInput(f"{where}: term {quote(term)}", f"one of {listed}", fix)


def _learns(start: Node) -> bool:
    """Whether the rule has numbers of its own in theta."""
    return any(inner.leaves for _, inner in walk(start))


def _written(start: Node, where: str) -> Plain:
    """The spec with the numbers of the rule as they act."""
    tables = [name or "theta" for name in unmoving(start)]
    if tables or start.account.hidden:
        open_numbers = ", ".join([*tables, *start.account.hidden])
        raise BadInput(
            f"{where}: {start.name} has numbers that no field holds: {printable(open_numbers)}",
            "a rule of terms, constants or an expression",
            "start from its distilled form, which metaplast inspect writes",
        )
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
        _put(spec, fields, _written(part, where))
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
