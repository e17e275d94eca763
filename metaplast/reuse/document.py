"""The document of a rule file, and the checks that need neither JAX nor the rule's own code.

    slots: {slot: {
        edges: glob, shared, rule: {name, fields},
        account: how theta moves the rule's numbers, as `plain` of language/account.py gives it;
            not in files of version 0.1.0
        connections: {edge: {n_post, n_pre, shape, spec}},
        clock, reads: [field of the view], reach}}
    reference: {entry: delta_w [step][post][pre]}; an entry is `slot`, or `slot/edge` where theta is
        not shared
    dt: seconds
    activity_reference: hertz
    provenance: {...}
    scores: [...] as in summary.json

Tensors are named `slot.leaf` or `slot.edge.leaf`.
"""

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, get_args

import numpy as np

from metaplast import registry
from metaplast.language import expression as _expression
from metaplast.language.account import LAWS, LISTED, Account, Shows, from_plain
from metaplast.language.grammar import MAX_TERMS, REACHES, parse, reach
from metaplast.registry import BadInput
from metaplast.reuse.text import quote

SCHEMA = "metaplast.rule/1"
CLOCKS = ("event", "time", "mixed", "trial")
LEARN = ("none", "rate", "coefficients", "both")  # what theta of a list of terms may move
MAX_SLOTS, MAX_EDGES, MAX_NESTED, MAX_PARTS, MAX_SYNAPSES = 256, 4096, 8, 16, 2**28
REFERENCE_SHAPE = (4, 2, 3)  # steps, post, pre
_NAME = re.compile(r"\w[\w-]{0,63}")
_FIX = "write it again with save_rule"
Plain = dict[str, Any]


class Entry(NamedTuple):
    """One theta of a rule file: of a whole slot, or of one edge of a slot that does not share."""

    key: str
    slot: Plain
    edges: tuple[str, ...]
    prefix: str


def entries(document: Plain) -> dict[str, Entry]:
    """Every theta of the document, by key: `slot` or `slot/edge`."""
    found = {}
    for name, slot in document["slots"].items():
        edges = tuple(slot["connections"])
        if slot["shared"]:
            found[name] = Entry(name, slot, edges, name)
        else:
            found.update(
                {
                    f"{name}/{edge}": Entry(f"{name}/{edge}", slot, (edge,), f"{name}.{edge}")
                    for edge in edges
                }
            )
    return found


def nested(spec: Plain) -> Iterator[tuple[str, Plain]]:
    """The rules inside a plain spec: (label, spec)."""
    for field, value in spec.items():
        if isinstance(value, dict) and isinstance(value.get("name"), str):
            yield field, value
        elif isinstance(value, dict):
            for label, item in value.items():
                if isinstance(item, dict):
                    yield label, item


def check(document: Plain, tensors: Mapping[str, np.ndarray], where: str) -> None:
    """Raises: BadInput for a document that is not whole, or tensors that do not fit it."""
    _keys(
        document, {"slots", "reference", "dt", "activity_reference", "provenance", "scores"}, where
    )
    for name in ("dt", "activity_reference"):
        _must(
            _is_number(document[name]) and document[name] > 0,
            f"{where}: {name}",
            document[name],
            "a positive number",
        )
    _must(
        isinstance(document["provenance"], dict),
        f"{where}: provenance",
        document["provenance"],
        "a mapping",
    )
    scores = document["scores"]
    _must(
        isinstance(scores, list) and all(isinstance(s, dict) for s in scores),
        f"{where}: scores",
        scores,
        "a list of mappings",
    )
    slots = document["slots"]
    _must(
        isinstance(slots, dict) and 0 < len(slots) <= MAX_SLOTS,
        f"{where}: slots",
        slots,
        f"1 to {MAX_SLOTS} slots",
    )
    for name, slot in slots.items():
        _name(name, f"{where}: slot")
        _slot(slot, f"{where}: slot {name}")
    found = entries(document)
    _reference(document["reference"], found, where)
    _tensors(found, tensors, where)


def _slot(slot: Any, where: str) -> None:
    expected = {"edges", "shared", "rule", "connections", "clock", "reads", "reach"}
    _keys(slot, expected | ({"account"} & set(slot) if isinstance(slot, dict) else set()), where)
    _must(isinstance(slot["edges"], str), f"{where}: edges", slot["edges"], "a pattern")
    _must(isinstance(slot["shared"], bool), f"{where}: shared", slot["shared"], "true or false")
    _must(slot["clock"] in CLOCKS, f"{where}: clock", slot["clock"], f"one of {', '.join(CLOCKS)}")
    fields = slot["reads"]
    _must(
        isinstance(fields, list) and all(isinstance(f, str) for f in fields),
        f"{where}: reads",
        fields,
        "a list of names",
    )
    _must(
        slot["reach"] in REACHES, f"{where}: reach", slot["reach"], f"one of {', '.join(REACHES)}"
    )
    _must(
        slot["reach"] == reach(fields),
        f"{where}: reach",
        slot["reach"],
        f"{reach(fields)}, which its `reads` give",
    )
    connections = slot["connections"]
    sane = isinstance(connections, dict) and 0 < len(connections) <= MAX_EDGES
    _must(sane, f"{where}: connections", connections, f"1 to {MAX_EDGES} edges")
    for edge, connection in connections.items():
        _name(edge, f"{where}: edge")
        _connection(connection, f"{where}: edge {edge}")
    _rule(slot["rule"], where, MAX_NESTED)
    if "account" in slot:
        _account(slot["account"], slot["rule"], where, MAX_NESTED)


def _connection(connection: Any, where: str) -> None:
    _keys(connection, {"n_post", "n_pre", "shape", "spec"}, where)
    n_post, n_pre = connection["n_post"], connection["n_pre"]
    sane = _is_count(n_post) and _is_count(n_pre) and n_post * n_pre <= MAX_SYNAPSES
    _must(sane, f"{where}: sizes", [n_post, n_pre], f"two counts, at most {MAX_SYNAPSES} pairs")
    shape = connection["shape"]
    sane = (
        isinstance(shape, list)
        and all(_is_count(n) for n in shape)
        and math.prod(shape) <= MAX_SYNAPSES
    )
    _must(sane, f"{where}: shape", shape, "a list of counts")
    spec = connection["spec"]
    _must(isinstance(spec, dict), f"{where}: spec", spec, "a mapping")
    _must(
        registry.has("connection", spec.get("name")),
        f"{where}: connection",
        spec.get("name"),
        f"one of {', '.join(registry.names('connection'))}",
    )


def _rule(spec: Any, where: str, left: int) -> None:
    _must(isinstance(spec, dict), f"{where}: rule", spec, "a mapping with 'name'")
    _must(left > 0, f"{where}: rule", "nested too deep", f"at most {MAX_NESTED} levels")
    plugin = "name the module that registers it: --import MODULE, or import it before"
    _must(
        registry.has("rule", spec.get("name")),
        f"{where}: rule form",
        spec.get("name"),
        f"one of {', '.join(registry.names('rule'))}",
        plugin,
    )
    for field, value in spec.items():  # they are shown beside the formula
        _name(field, f"{where}: field of a rule")
        _must(
            not isinstance(value, str) or value.isprintable(),
            f"{where}: {field}",
            value,
            "printable text",
        )
    for label, inner in nested(spec):
        _name(label, f"{where}: label of a rule")
        _rule(inner, where, left - 1)


def _account(account: Any, spec: Any, where: str, left: int) -> None:
    """An account that fits the spec: formulas are computed by it."""
    where = f"{where}: account"
    _must(left > 0, where, "nested too deep", f"at most {MAX_NESTED} levels")
    hidden = {"hidden"} & set(account) if isinstance(account, dict) else set()
    _keys(account, {"moved", "shows", "traces", "silent", "parts"} | hidden, where)
    _must(
        _texts(account.get("hidden", [])),
        f"{where}: hidden",
        account.get("hidden"),
        "a list of names",
    )
    _must(
        account["shows"] in get_args(Shows),
        f"{where}: shows",
        account["shows"],
        f"one of {get_args(Shows)}",
    )
    for flag in ("traces", "silent"):
        _must(isinstance(account[flag], bool), f"{where}: {flag}", account[flag], "true or false")
    _must(isinstance(account["moved"], dict), f"{where}: moved", account["moved"], "a mapping")
    _must(isinstance(account["parts"], dict), f"{where}: parts", account["parts"], "a mapping")
    if account["shows"] == "terms":
        _term_list(spec, account["traces"], where)
    if account["shows"] == "expression":
        _symbolic(spec, where)
    lists = LISTED.get(account["shows"])
    for field, pair in account["moved"].items():
        _must(
            _texts(pair) and len(pair) == 2 and pair[1] in tuple(LAWS),
            f"{where}: {field}",
            pair,
            "[leaf, law]",
        )
        value = spec.get(field)
        numbers = isinstance(value, list) and bool(value) and all(map(_is_number, value))
        _must(
            field == lists or numbers or _is_number(value), f"{where}: {field}", value, "a number"
        )
    for label, part in account["parts"].items():
        _name(label, f"{where}: label of a rule")
        _keys(part, {"fields", "leaves", "account"}, where)
        for path in ("fields", "leaves"):
            _must(
                _texts(part[path]) and len(part[path]) <= 2,
                f"{where}: {path}",
                part[path],
                "up to two names",
            )
        inner = spec
        for name in part["fields"]:
            inner = inner.get(name) if isinstance(inner, dict) else None
        inside = isinstance(inner, dict) and inner is not spec and "name" in inner
        _must(inside, f"{where}: fields", part["fields"], "where a rule stands")
        _account(part["account"], inner, where, left - 1)


def _texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def _term_list(spec: Plain, traces: bool, where: str) -> None:
    terms: Any = spec.get("terms")
    initial: Any = spec.get("initial", [])
    _must(
        isinstance(terms, list) and 0 < len(terms) <= MAX_TERMS,
        f"{where}: terms",
        terms,
        f"1 to {MAX_TERMS} terms",
    )
    for term in terms:
        _must(isinstance(term, str), f"{where}: term", term, "text")
        try:
            parse(term, traces)
        except BadInput as error:
            raise BadInput(f"{where}: {quote(error.what, 120)}", error.expected, _FIX) from None
    sane = (
        isinstance(initial, list)
        and len(initial) in (0, len(terms))
        and all(_is_number(v) for v in initial)
    )
    _must(sane, f"{where}: initial", initial, f"none or {len(terms)} numbers")
    _positive(spec, "rate", where)
    _must(
        spec.get("learn") in LEARN,
        f"{where}: learn",
        spec.get("learn"),
        f"one of {', '.join(LEARN)}",
    )
    for field in spec:
        if field.startswith("tau_"):
            _positive(spec, field, where)


def _symbolic(spec: Plain, where: str) -> None:
    for field in ("expression", "eligibility"):
        text: Any = spec.get(field)
        _must(isinstance(text, str), f"{where}: {field}", text, "text")
        if text or field == "expression":
            try:
                _expression.parse(text)
            except BadInput as error:
                raise BadInput(f"{where}: {quote(error.what, 120)}", error.expected, _FIX) from None
    _positive(spec, "rate", where)
    _positive(spec, "tau", where)
    _must(
        spec.get("size") == 0,
        f"{where}: size",
        spec.get("size"),
        "0: a file holds the tree that was found",
    )


def _positive(spec: Plain, field: str, where: str) -> None:
    value: Any = spec.get(field)
    _must(_is_number(value) and value > 0, f"{where}: {field}", value, "a positive number")


def _reference(reference: Any, found: dict[str, Entry], where: str) -> None:
    _keys(reference, set(found), f"{where}: reference")
    for key, values in reference.items():
        try:
            array = np.asarray(values, np.float64)
        except (TypeError, ValueError, OverflowError):
            array = np.zeros(0)
        sane = array.shape == REFERENCE_SHAPE and bool(np.isfinite(array).all())
        _must(
            sane,
            f"{where}: reference of {key}",
            values,
            f"finite numbers of shape {list(REFERENCE_SHAPE)}",
        )


def _tensors(found: dict[str, Entry], tensors: Mapping[str, np.ndarray], where: str) -> None:
    prefixes = tuple(entry.prefix for entry in found.values())
    trees: dict[str, Any] = {prefix: {} for prefix in prefixes}
    for name, value in tensors.items():
        parts = name.split(".")
        _must(len(parts) <= MAX_PARTS, f"{where}: tensor", name, f"at most {MAX_PARTS} parts")
        prefix = next((p for p in (parts[0], ".".join(parts[:2])) if p in trees), None)
        _must(
            prefix is not None,
            f"{where}: tensor",
            name,
            f"names that begin with {', '.join(prefixes[:5])}",
        )
        node, path = trees, [prefix, *name.removeprefix(prefix or "").split(".")[1:]]
        for part in path[:-1]:
            node = node.setdefault(part, {})
            _must(
                isinstance(node, dict),
                f"{where}: tensor",
                name,
                "a name that is no branch of another tensor's",
            )
        _must(
            node.get(path[-1], {}) == {},
            f"{where}: tensor",
            name,
            "a name that is no branch of another tensor's",
        )
        node[path[-1]] = value
    for entry in found.values():
        if "account" in entry.slot:
            account = from_plain(entry.slot["account"])
            _theta(account, entry.slot["rule"], trees[entry.prefix], f"{where}: {entry.key}")


def _theta(account: Account, spec: Plain, theta: Any, where: str) -> None:
    """The leaves that move numbers of a rule, and of those inside it, are there and have their
    shapes.
    """
    sizes: dict[str, tuple[int, ...]] = {}
    if account.shows == "terms":
        sizes["initial"] = (len(spec["terms"]),)
    if account.shows == "expression":
        sizes["expression"] = (len(_expression.numbers(_expression.parse(spec["expression"]))),)
    for field, moved in account.moved.items():
        value = theta
        for name in moved.leaf.split(".") if moved.leaf else ():
            value = value.get(name) if isinstance(value, dict) else None
        actual = list(value.shape) if isinstance(value, np.ndarray) else "missing"
        shape = sizes.get(field, (len(spec[field]),) if isinstance(spec.get(field), list) else ())
        sane = isinstance(value, np.ndarray) and value.shape == shape and value.dtype.kind == "f"
        _must(sane, f"{where}: {moved.leaf}", actual, f"floats of shape {list(shape)}")
    for part in account.parts.values():
        inner, inner_spec = theta, spec
        for name in part.leaves:
            inner = inner.get(name) if isinstance(inner, dict) else None
        for name in part.fields:
            inner_spec = inner_spec[name]
        _theta(part.account, inner_spec, inner, where)


def _must(holds: bool, what: str, given: Any, expected: str, fix: str = _FIX) -> None:
    if not holds:
        raise BadInput(f"{what}={quote(given)}", expected, fix)


def _keys(value: Any, expected: set[str], where: str) -> None:
    given = set(value) if isinstance(value, dict) else {type(value).__name__}
    wrong = sorted(given ^ expected)
    _must(
        not wrong,
        f"{where}: missing or unknown",
        wrong[:5],
        f"exactly {', '.join(sorted(expected)[:10])}",
    )


def _name(name: str, what: str) -> None:
    _must(bool(_NAME.fullmatch(name)), what, name, "a name of letters, digits, _ and -")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e300


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 < value <= MAX_SYNAPSES
