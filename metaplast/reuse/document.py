"""The document of a rule file, and the checks that need neither JAX nor the code of a rule.

    slots: {slot: {
        edges: glob;
        shared: whether all edges share one theta;
        rule: {name, fields};
        account: account of the rule, by `plain` of language/account.py. A file of version 0.1.0 has
            none;
        connections: {edge: {n_post, n_pre, shape, spec}};
        clock: clock of the updates;
        reads: [field of the view];
        reach: farthest source of these fields}}.
    reference: {entry: delta_w [step][post][pre]}.
    dt: seconds of a step.
    activity_reference: hertz that an activity of 1 stands for.
    provenance: {fact: value} on the origin of the rules.
    scores: [row of a table], as in summary.json.
    ancestry: [{
        rule: the path or name by which the ancestor was given;
        sha256: the checksum of its file, "" for a rule without a file;
        change: the way from the ancestor to the next rule, in words}], the eldest first.

An entry is `slot`, or `slot/edge` where theta is not shared. Tensors are named `slot.leaf` or
`slot.edge.leaf`.
"""

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple, get_args

import numpy as np

from metaplast import registry
from metaplast.language import expression as _expression
from metaplast.language.account import LAWS, LISTED, Account, Shows, from_plain
from metaplast.language.grammar import MAX_TERMS, REACHES, parse, reach
from metaplast.registry import BadInput, Plain
from metaplast.reuse.text import printable, quote

CLOCKS = ("event", "time", "mixed", "trial")
LEARN = ("none", "rate", "coefficients", "both")
"""The numbers that theta of a list of terms may move."""
MAX_SLOTS = 256
MAX_EDGES = 4096
MAX_NESTED = 8
"""Levels of rules inside rules."""
MAX_PARTS = 16
"""Parts of the name of a tensor."""
MAX_ANCESTORS = 64
MAX_WORDS = 500
"""Characters of a fact on an ancestor."""
MAX_SYNAPSES = 2**28
REFERENCE_SHAPE = (4, 2, 3)
"""Steps, postsynaptic neurons and presynaptic neurons of a reference vector."""
_NAME = re.compile(r"\w[\w-]{0,63}")
_DIGEST = re.compile(r"([0-9a-f]{64})?")
_FIX = "write it again with save_rule"


class RuleEntry(NamedTuple):
    """One theta of a rule file.

    key: `slot`, or `slot/edge` for one edge of a slot that does not share its theta.
    slot: the slot of the document.
    edges: edges that use this theta.
    prefix: prefix of the names of its tensors.
    """

    key: str
    slot: Plain
    edges: tuple[str, ...]
    prefix: str


def entries(document: Plain) -> dict[str, RuleEntry]:
    """{key: entry} of every theta of a document. A key is `slot` or `slot/edge`."""
    by_key = {}
    for name, slot in document["slots"].items():
        edges = tuple(slot["connections"])
        if slot["shared"]:
            by_key[name] = RuleEntry(name, slot, edges, name)
            continue
        for edge in edges:
            key = f"{name}/{edge}"
            by_key[key] = RuleEntry(key, slot, (edge,), f"{name}.{edge}")
    return by_key


def nested(spec: Plain) -> Iterator[tuple[str, Plain]]:
    """(label, spec) of every rule inside a plain spec."""
    for field, value in spec.items():
        if isinstance(value, dict) and isinstance(value.get("name"), str):
            yield field, value
        elif isinstance(value, dict):
            for label, item in value.items():
                if isinstance(item, dict):
                    yield label, item


def check(document: Plain, tensors: Mapping[str, np.ndarray], where: str) -> None:
    """Check the content of a rule file.

    Args:
        document: the document.
        tensors: the tensors.
        where: the name of the file, for errors.

    Raises: BadInput for a document that is not whole, or tensors that do not fit it.
    """
    keys = {"slots", "reference", "dt", "activity_reference", "provenance", "scores", "ancestry"}
    _check_keys(document, keys, where)
    _check_ancestry(document["ancestry"], f"{where}: ancestry")
    _check_positive(document, "dt", where)
    _check_positive(document, "activity_reference", where)
    provenance = document["provenance"]
    _must(isinstance(provenance, dict), f"{where}: provenance", provenance, "a mapping")
    scores = document["scores"]
    is_table = isinstance(scores, list) and all(isinstance(score, dict) for score in scores)
    _must(is_table, f"{where}: scores", scores, "a list of mappings")
    slots = document["slots"]
    is_sane = isinstance(slots, dict) and 0 < len(slots) <= MAX_SLOTS
    _must(is_sane, f"{where}: slots", slots, f"1 to {MAX_SLOTS} slots")
    for name, slot in slots.items():
        _check_name(name, f"{where}: slot")
        _check_slot(slot, f"{where}: slot {name}")
    by_key = entries(document)
    _check_reference(document["reference"], by_key, where)
    _check_tensors(by_key, tensors, where)


def _check_ancestry(ancestry: Any, where: str) -> None:
    """The ancestry is a list of ancestors, each with its three facts as text."""
    is_sane = isinstance(ancestry, list) and len(ancestry) <= MAX_ANCESTORS
    _must(is_sane, where, ancestry, f"a list of at most {MAX_ANCESTORS} ancestors")
    for ancestor in ancestry:
        _check_keys(ancestor, {"rule", "sha256", "change"}, where)
        for fact, value in ancestor.items():
            is_safe = isinstance(value, str) and value.isprintable() and len(value) <= MAX_WORDS
            _must(is_safe, f"{where}: {fact}", value, f"printable text of at most {MAX_WORDS}")
        is_digest = bool(_DIGEST.fullmatch(ancestor["sha256"]))
        _must(
            is_digest, f"{where}: sha256", ancestor["sha256"], "64 hexadecimal digits, or nothing"
        )


def _check_slot(slot: Any, where: str) -> None:
    keys = {"edges", "shared", "rule", "connections", "clock", "reads", "reach"}
    if isinstance(slot, dict) and "account" in slot:
        keys.add("account")
    _check_keys(slot, keys, where)
    _must(isinstance(slot["edges"], str), f"{where}: edges", slot["edges"], "a pattern")
    _must(isinstance(slot["shared"], bool), f"{where}: shared", slot["shared"], "true or false")
    _must(slot["clock"] in CLOCKS, f"{where}: clock", slot["clock"], f"one of {', '.join(CLOCKS)}")
    _check_reach(slot["reach"], slot["reads"], where)
    connections = slot["connections"]
    is_sane = isinstance(connections, dict) and 0 < len(connections) <= MAX_EDGES
    _must(is_sane, f"{where}: connections", connections, f"1 to {MAX_EDGES} edges")
    for edge, connection in connections.items():
        _check_name(edge, f"{where}: edge")
        _check_connection(connection, f"{where}: edge {edge}")
    _check_rule(slot["rule"], where, MAX_NESTED)
    if "account" in slot:
        _check_account(slot["account"], slot["rule"], where, MAX_NESTED)


def _check_reach(stated: Any, reads: Any, where: str) -> None:
    """The reach that a slot states is the reach of the fields that it reads."""
    _must(_is_list_of_texts(reads), f"{where}: reads", reads, "a list of names")
    _must(stated in REACHES, f"{where}: reach", stated, f"one of {', '.join(REACHES)}")
    expected = reach(reads)
    _must(stated == expected, f"{where}: reach", stated, f"{expected}, which its `reads` give")


def _check_connection(connection: Any, where: str) -> None:
    _check_keys(connection, {"n_post", "n_pre", "shape", "spec"}, where)
    n_post = connection["n_post"]
    n_pre = connection["n_pre"]
    is_sane = _is_count(n_post) and _is_count(n_pre) and n_post * n_pre <= MAX_SYNAPSES
    _must(is_sane, f"{where}: sizes", [n_post, n_pre], f"two counts, at most {MAX_SYNAPSES} pairs")
    shape = connection["shape"]
    is_shape = isinstance(shape, list) and all(map(_is_count, shape))
    is_sane = is_shape and math.prod(shape) <= MAX_SYNAPSES
    _must(is_sane, f"{where}: shape", shape, "a list of counts")
    spec = connection["spec"]
    _must(isinstance(spec, dict), f"{where}: spec", spec, "a mapping")
    name = spec.get("name")
    known = f"one of {', '.join(registry.names('connection'))}"
    _must(registry.has("connection", name), f"{where}: connection", name, known)


def _check_rule(spec: Any, where: str, left: int) -> None:
    """The spec of a rule, and of the rules inside it, is sane.

    Args:
        spec: the spec.
        where: its place in the file, for errors.
        left: levels of rules that may still come.
    """
    _must(isinstance(spec, dict), f"{where}: rule", spec, "a mapping with 'name'")
    _must(left > 0, f"{where}: rule", "nested too deep", f"at most {MAX_NESTED} levels")
    name = spec.get("name")
    _must(
        registry.has("rule", name),
        f"{where}: rule form",
        name,
        "a name of `metaplast list rules`",
        "name the module that registers it: --import MODULE, or import it before",
    )
    # Fields are shown beside the formula.
    for field, value in spec.items():
        _check_name(field, f"{where}: field of a rule")
        is_safe = not isinstance(value, str) or value.isprintable()
        _must(is_safe, f"{where}: {field}", value, "printable text")
    for label, inner in nested(spec):
        _check_name(label, f"{where}: label of a rule")
        _check_rule(inner, where, left - 1)


def _check_account(account: Any, spec: Any, where: str, left: int) -> None:
    """An account fits the spec of its rule. Formulas are computed by it.

    Args:
        account: the account.
        spec: the spec of the rule.
        where: the place in the file, for errors.
        left: levels of rules that may still come.
    """
    where = f"{where}: account"
    _must(left > 0, where, "nested too deep", f"at most {MAX_NESTED} levels")
    keys = {"moved", "shows", "traces", "silent", "parts"}
    if isinstance(account, dict) and "hidden" in account:
        keys.add("hidden")
    _check_keys(account, keys, where)
    hidden = account.get("hidden", [])
    _must(_is_list_of_texts(hidden), f"{where}: hidden", hidden, "a list of names")
    shows = account["shows"]
    _must(shows in get_args(Shows), f"{where}: shows", shows, f"one of {get_args(Shows)}")
    for flag in ("traces", "silent"):
        _must(isinstance(account[flag], bool), f"{where}: {flag}", account[flag], "true or false")
    _must(isinstance(account["moved"], dict), f"{where}: moved", account["moved"], "a mapping")
    _must(isinstance(account["parts"], dict), f"{where}: parts", account["parts"], "a mapping")
    if shows == "terms":
        _check_terms(spec, account["traces"], where)
    if shows == "expression":
        _check_expression(spec, where)
    for field, pair in account["moved"].items():
        _check_moved(field, pair, spec, LISTED.get(shows), where)
    for label, part in account["parts"].items():
        _check_name(label, f"{where}: label of a rule")
        _check_part(part, spec, where, left)


def _check_moved(field: str, pair: Any, spec: Plain, listed: str | None, where: str) -> None:
    """A moved field has a leaf and a law, and holds numbers."""
    is_pair = _is_list_of_texts(pair) and len(pair) == 2 and pair[1] in tuple(LAWS)
    _must(is_pair, f"{where}: {field}", pair, "[leaf, law]")
    value = spec.get(field)
    is_list = isinstance(value, list) and bool(value) and all(map(_is_number, value))
    is_numeric = field == listed or is_list or _is_number(value)
    _must(is_numeric, f"{where}: {field}", value, "a number")


def _check_part(part: Any, spec: Plain, where: str, left: int) -> None:
    """A part names a rule inside the spec, and its account fits that rule."""
    _check_keys(part, {"fields", "leaves", "account"}, where)
    for path in ("fields", "leaves"):
        is_path = _is_list_of_texts(part[path]) and len(part[path]) <= 2
        _must(is_path, f"{where}: {path}", part[path], "up to two names")
    inner = _branch(spec, part["fields"])
    is_inside = isinstance(inner, dict) and inner is not spec
    is_rule = is_inside and registry.has("rule", inner.get("name"))
    _must(is_rule, f"{where}: fields", part["fields"], "where a rule stands")
    _check_account(part["account"], inner, where, left - 1)


def _is_list_of_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def _check_terms(spec: Plain, traces: bool, where: str) -> None:
    """The spec of a rule of terms is sane.

    Args:
        spec: the spec.
        traces: whether a term may read traces of spikes.
        where: the place in the file, for errors.
    """
    terms: Any = spec.get("terms")
    is_sane = isinstance(terms, list) and 0 < len(terms) <= MAX_TERMS
    _must(is_sane, f"{where}: terms", terms, f"1 to {MAX_TERMS} terms")
    for term in terms:
        _must(isinstance(term, str), f"{where}: term", term, "text")
        try:
            parse(term, traces)
        except BadInput as error:
            raise BadInput(f"{where}: {quote(error.what, 120)}", error.expected, _FIX) from None
    initial: Any = spec.get("initial", [])
    is_list = isinstance(initial, list) and len(initial) in (0, len(terms))
    is_sane = is_list and all(map(_is_number, initial))
    _must(is_sane, f"{where}: initial", initial, f"none or {len(terms)} numbers")
    _check_positive(spec, "rate", where)
    learn = spec.get("learn")
    _must(learn in LEARN, f"{where}: learn", learn, f"one of {', '.join(LEARN)}")
    for field in spec:
        if field.startswith("tau_"):
            _check_positive(spec, field, where)


def _check_expression(spec: Plain, where: str) -> None:
    """The spec of a rule of one expression is sane."""
    for field in ("expression", "eligibility"):
        text: Any = spec.get(field)
        _must(isinstance(text, str), f"{where}: {field}", text, "text")
        if text or field == "expression":
            try:
                _expression.parse(text)
            except BadInput as error:
                raise BadInput(f"{where}: {quote(error.what, 120)}", error.expected, _FIX) from None
    _check_positive(spec, "rate", where)
    _check_positive(spec, "tau", where)
    size = spec.get("size")
    _must(size == 0, f"{where}: size", size, "0: a file holds the tree that was found")


def _check_positive(mapping: Plain, field: str, where: str) -> None:
    value: Any = mapping.get(field)
    _must(_is_number(value) and value > 0, f"{where}: {field}", value, "a positive number")


def _check_reference(reference: Any, by_key: dict[str, RuleEntry], where: str) -> None:
    """Every entry has a reference vector."""
    _check_keys(reference, set(by_key), f"{where}: reference")
    for key, values in reference.items():
        try:
            array = np.asarray(values, np.float64)
        except (TypeError, ValueError, OverflowError):
            array = np.zeros(0)
        is_sane = array.shape == REFERENCE_SHAPE and bool(np.isfinite(array).all())
        expected = f"finite numbers of shape {list(REFERENCE_SHAPE)}"
        _must(is_sane, f"{where}: reference of {key}", values, expected)


def _check_tensors(
    by_key: dict[str, RuleEntry], tensors: Mapping[str, np.ndarray], where: str
) -> None:
    """The tensors have names of entries, and the shapes that the accounts demand."""
    trees = _trees(by_key, tensors, f"{where}: tensor")
    for entry in by_key.values():
        if "account" in entry.slot:
            account = from_plain(entry.slot["account"])
            theta = trees[entry.prefix]
            _check_theta(account, entry.slot["rule"], theta, f"{where}: {entry.key}")


def _trees(
    by_key: dict[str, RuleEntry], tensors: Mapping[str, np.ndarray], where: str
) -> dict[str, Any]:
    """{prefix of an entry: its tensors as nested dicts}."""
    trees: dict[str, Any] = {}
    for entry in by_key.values():
        trees[entry.prefix] = {}
    prefixes = tuple(trees)
    no_branch = "a name that is no branch of another tensor's"
    for name, value in tensors.items():
        parts = name.split(".")
        _must(len(parts) <= MAX_PARTS, where, name, f"at most {MAX_PARTS} parts")
        prefix = parts[0]
        if prefix not in trees:
            prefix = ".".join(parts[:2])
        beginnings = f"names that begin with {', '.join(prefixes[:5])}"
        _must(prefix in trees, where, name, beginnings)
        *branches, leaf = [prefix, *name.removeprefix(prefix).split(".")[1:]]
        node = trees
        for branch in branches:
            node = node.setdefault(branch, {})
            _must(isinstance(node, dict), where, name, no_branch)
        _must(node.get(leaf, {}) == {}, where, name, no_branch)
        node[leaf] = value
    return trees


def _check_theta(account: Account, spec: Plain, theta: Any, where: str) -> None:
    """Every leaf that moves numbers of a rule is there and has its shape.

    Args:
        account: the account of the rule.
        spec: its spec.
        theta: its tensors as nested dicts.
        where: the place in the file, for errors.
    """
    for field, moved in account.moved.items():
        leaf = theta
        if moved.leaf:
            leaf = _branch(theta, moved.leaf.split("."))
        shape = _shape_of(field, account, spec)
        actual = list(leaf.shape) if isinstance(leaf, np.ndarray) else "missing"
        is_sane = isinstance(leaf, np.ndarray) and leaf.shape == shape and leaf.dtype.kind == "f"
        _must(is_sane, f"{where}: {moved.leaf}", actual, f"floats of shape {list(shape)}")
    for part in account.parts.values():
        inner_theta = _branch(theta, part.leaves)
        _check_theta(part.account, _branch(spec, part.fields), inner_theta, where)


def _branch(tree: Any, path: Iterable[str]) -> Any:
    """The branch of nested dicts at a path of names, or None."""
    for name in path:
        if not isinstance(tree, dict):
            return None
        tree = tree.get(name)
    return tree


def _shape_of(field: str, account: Account, spec: Plain) -> tuple[int, ...]:
    """The shape of the leaf that moves a field: one number for each number of the field."""
    if field == "initial" and account.shows == "terms":
        return (len(spec["terms"]),)
    if field == "expression" and account.shows == "expression":
        return (len(_expression.numbers(_expression.parse(spec["expression"]))),)
    value: Any = spec.get(field)
    if not isinstance(value, list):
        return ()
    return (len(value),)


def _must(holds: bool, what: str, value: Any, expected: str, fix: str = _FIX) -> None:
    """Raises: BadInput where a check does not hold."""
    if not holds:
        raise BadInput(f"{printable(what)}={quote(value)}", expected, fix)


def _check_keys(value: Any, expected: set[str], where: str) -> None:
    """A mapping has exactly the expected keys."""
    keys = set(value) if isinstance(value, dict) else {type(value).__name__}
    wrong = sorted(keys ^ expected)
    listed = f"exactly {', '.join(sorted(expected)[:10])}"
    _must(not wrong, f"{where}: missing or unknown", wrong[:5], listed)


def _check_name(name: str, what: str) -> None:
    _must(bool(_NAME.fullmatch(name)), what, name, "a name of letters, digits, _ and -")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e300


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 < value <= MAX_SYNAPSES
