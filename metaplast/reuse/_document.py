"""What the document of a rule file says, and the checks that need neither JAX nor the rule's own code.

    slots: {slot: {edges: glob, shared, rule: {name, fields}, connections: {edge: {n_post, n_pre, shape, spec}},
                   clock, reads: [field of the view], reach}}
    reference: {entry: delta_w [step][post][pre]}     an entry is `slot`, or `slot/edge` where theta is not shared
    dt: seconds; activity_reference: hertz; provenance: {...}; scores: [...] as in summary.json

Tensors are named `slot.leaf` or `slot.edge.leaf`.
"""

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from metaplast import registry
from metaplast.registry import BadInput
from metaplast.reuse.text import quote
from metaplast.rules import _expression
from metaplast.rules._grammar import MAX_TERMS, REACHES, parse, reach

SCHEMA = "metaplast.rule/1"
CLOCKS = ("event", "time", "mixed", "trial")
TERM_LISTS = frozenset({"polynomial", "trace_taylor"})  # rule forms with `terms` and a coefficient for each
LEARNT = {"none": (), "rate": ("log_rate",), "coefficients": ("coefficients",), "both": ("coefficients", "log_rate")}
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
            found.update({f"{name}/{edge}": Entry(f"{name}/{edge}", slot, (edge,), f"{name}.{edge}") for edge in edges})
    return found


def children(spec: Plain, theta: Any) -> Iterator[tuple[str, Plain, Any]]:
    """The rules inside a wrapper: (label, spec, theta). A wrapper that learns constants of its own (`log_rate` for its
    `rate`) keeps the theta of the inner rule under the field's name; one that learns nothing passes it through."""
    theta = theta if isinstance(theta, dict) else {}
    for field, value in spec.items():
        if not isinstance(value, dict):
            continue
        own = set(own_leaves(spec, theta))
        inner = theta[field] if field in theta and set(theta) <= own | {field} else _without(theta, own)
        if isinstance(value.get("name"), str):
            yield field, value, inner
        else:
            rules = {label: item for label, item in value.items() if isinstance(item, dict)}
            yield from ((label, item, inner.get(label, {})) for label, item in rules.items())


def own_leaves(spec: Plain, theta: Plain) -> dict[str, np.ndarray]:
    """The learnt constants of this very rule: leaves `log_<field>` of its numeric fields."""
    return {
        name: leaf
        for name, leaf in theta.items()
        if _is_number(spec.get(name.removeprefix("log_"))) and name[:4] == "log_"
    }


def _without(theta: Plain, names: set[str]) -> Plain:
    return {name: leaf for name, leaf in theta.items() if name not in names}


def check(document: Plain, tensors: Mapping[str, np.ndarray], where: str) -> None:
    """Raises: BadInput for a document that is not whole, or tensors that do not fit it."""
    _keys(document, {"slots", "reference", "dt", "activity_reference", "provenance", "scores"}, where)
    for name in ("dt", "activity_reference"):
        _must(
            _is_number(document[name]) and document[name] > 0, f"{where}: {name}", document[name], "a positive number"
        )
    _must(isinstance(document["provenance"], dict), f"{where}: provenance", document["provenance"], "a mapping")
    scores = document["scores"]
    _must(
        isinstance(scores, list) and all(isinstance(s, dict) for s in scores),
        f"{where}: scores",
        scores,
        "a list of mappings",
    )
    slots = document["slots"]
    _must(isinstance(slots, dict) and 0 < len(slots) <= MAX_SLOTS, f"{where}: slots", slots, f"1 to {MAX_SLOTS} slots")
    for name, slot in slots.items():
        _name(name, f"{where}: slot")
        _slot(slot, f"{where}: slot {name}")
    found = entries(document)
    _reference(document["reference"], found, where)
    _tensors(found, tensors, where)


def _slot(slot: Any, where: str) -> None:
    _keys(slot, {"edges", "shared", "rule", "connections", "clock", "reads", "reach"}, where)
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
    _must(slot["reach"] in REACHES, f"{where}: reach", slot["reach"], f"one of {', '.join(REACHES)}")
    _must(slot["reach"] == reach(fields), f"{where}: reach", slot["reach"], f"{reach(fields)}, which its `reads` give")
    connections = slot["connections"]
    sane = isinstance(connections, dict) and 0 < len(connections) <= MAX_EDGES
    _must(sane, f"{where}: connections", connections, f"1 to {MAX_EDGES} edges")
    for edge, connection in connections.items():
        _name(edge, f"{where}: edge")
        _connection(connection, f"{where}: edge {edge}")
    _rule(slot["rule"], where, MAX_NESTED)


def _connection(connection: Any, where: str) -> None:
    _keys(connection, {"n_post", "n_pre", "shape", "spec"}, where)
    n_post, n_pre = connection["n_post"], connection["n_pre"]
    sane = _is_count(n_post) and _is_count(n_pre) and n_post * n_pre <= MAX_SYNAPSES
    _must(sane, f"{where}: sizes", [n_post, n_pre], f"two counts, at most {MAX_SYNAPSES} pairs")
    shape = connection["shape"]
    sane = isinstance(shape, list) and all(_is_count(n) for n in shape) and math.prod(shape) <= MAX_SYNAPSES
    _must(sane, f"{where}: shape", shape, "a list of counts")
    spec = connection["spec"]
    _must(isinstance(spec, dict), f"{where}: spec", spec, "a mapping")
    known = registry.names("connection")
    _must(spec.get("name") in known, f"{where}: connection", spec.get("name"), f"one of {', '.join(known)}")


def _rule(spec: Any, where: str, left: int) -> None:
    _must(isinstance(spec, dict), f"{where}: rule", spec, "a mapping with 'name'")
    _must(left > 0, f"{where}: rule", "nested too deep", f"at most {MAX_NESTED} levels")
    known = registry.names("rule")
    _must(spec.get("name") in known, f"{where}: rule form", spec.get("name"), f"one of {', '.join(known)}")
    for field, value in spec.items():  # they are shown beside the formula
        _name(field, f"{where}: field of a rule")
        _must(not isinstance(value, str) or value.isprintable(), f"{where}: {field}", value, "printable text")
    if spec["name"] in TERM_LISTS:
        _term_list(spec, where)
    if spec["name"] == "symbolic":
        _symbolic(spec, where)
    for label, inner, _ in children(spec, {}):
        _name(label, f"{where}: label of a rule")
        _rule(inner, where, left - 1)


def _term_list(spec: Plain, where: str) -> None:
    terms: Any = spec.get("terms")
    initial: Any = spec.get("initial", [])
    _must(isinstance(terms, list) and 0 < len(terms) <= MAX_TERMS, f"{where}: terms", terms, f"1 to {MAX_TERMS} terms")
    for term in terms:
        _must(isinstance(term, str), f"{where}: term", term, "text")
        try:
            parse(term, traces=spec["name"] == "trace_taylor")
        except BadInput as error:
            raise BadInput(f"{where}: {quote(error.what, 120)}", error.expected, _FIX) from None
    sane = isinstance(initial, list) and len(initial) in (0, len(terms)) and all(_is_number(v) for v in initial)
    _must(sane, f"{where}: initial", initial, f"none or {len(terms)} numbers")
    _positive(spec, "rate", where)
    _must(spec.get("learn") in tuple(LEARNT), f"{where}: learn", spec.get("learn"), f"one of {', '.join(LEARNT)}")
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
    _must(spec.get("size") == 0, f"{where}: size", spec.get("size"), "0: a file holds the tree that was found")


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
        _must(sane, f"{where}: reference of {key}", values, f"finite numbers of shape {list(REFERENCE_SHAPE)}")


def _tensors(found: dict[str, Entry], tensors: Mapping[str, np.ndarray], where: str) -> None:
    prefixes = tuple(entry.prefix for entry in found.values())
    trees: dict[str, Any] = {prefix: {} for prefix in prefixes}
    for name, value in tensors.items():
        parts = name.split(".")
        _must(len(parts) <= MAX_PARTS, f"{where}: tensor", name, f"at most {MAX_PARTS} parts")
        prefix = next((p for p in (parts[0], ".".join(parts[:2])) if p in trees), None)
        _must(prefix is not None, f"{where}: tensor", name, f"names that begin with {', '.join(prefixes[:5])}")
        node, path = trees, [prefix, *name.removeprefix(prefix or "").split(".")[1:]]
        for part in path[:-1]:
            node = node.setdefault(part, {})
            _must(isinstance(node, dict), f"{where}: tensor", name, "a name that is no branch of another tensor's")
        _must(node.get(path[-1], {}) == {}, f"{where}: tensor", name, "a name that is no branch of another tensor's")
        node[path[-1]] = value
    for entry in found.values():
        _theta(entry.slot["rule"], trees[entry.prefix], f"{where}: {entry.key}")


def _theta(spec: Plain, theta: Any, where: str) -> None:
    if spec["name"] in TERM_LISTS:
        shapes = {"coefficients": (len(spec["terms"]),)}
        for leaf in (*LEARNT[spec["learn"]], *own_leaves(spec, theta if isinstance(theta, dict) else {})):
            value = theta.get(leaf) if isinstance(theta, dict) else None
            given = list(value.shape) if isinstance(value, np.ndarray) else "missing"
            shape = shapes.get(leaf, ())
            sane = isinstance(value, np.ndarray) and value.shape == shape and value.dtype.kind == "f"
            _must(sane, f"{where}: {leaf}", given, f"floats of shape {list(shape)}")
    if spec["name"] == "symbolic":
        n = len(_expression.numbers(_expression.parse(spec["expression"])))
        for leaf, shape in {"constants": (n,), "log_rate": ()}.items():
            value = theta.get(leaf) if isinstance(theta, dict) else None
            sane = value is None or (isinstance(value, np.ndarray) and value.shape == shape and value.dtype.kind == "f")
            _must(sane, f"{where}: {leaf}", getattr(value, "shape", value), f"floats of shape {list(shape)}")
    for _, inner, inner_theta in children(spec, theta):
        _theta(inner, inner_theta, where)


def _must(holds: bool, what: str, given: Any, expected: str) -> None:
    if not holds:
        raise BadInput(f"{what}={quote(given)}", expected, _FIX)


def _keys(value: Any, expected: set[str], where: str) -> None:
    given = set(value) if isinstance(value, dict) else {type(value).__name__}
    wrong = sorted(given ^ expected)
    _must(not wrong, f"{where}: missing or unknown", wrong[:5], f"exactly {', '.join(sorted(expected)[:10])}")


def _name(name: str, what: str) -> None:
    _must(bool(_NAME.fullmatch(name)), what, name, "a name of letters, digits, _ and -")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e300


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 < value <= MAX_SYNAPSES
