"""The content of a rule file, from a trained theta."""

import importlib.metadata
import math
import platform
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from metaplast.language import account as _account
from metaplast.language.grammar import reach
from metaplast.life.lifetime import Lifetime, Slot
from metaplast.registry import BadInput, Plain
from metaplast.reuse.ask import account_of
from metaplast.reuse.document import MAX_ANCESTORS
from metaplast.reuse.known import FILE as RULE_FILE
from metaplast.reuse.reference import reference
from metaplast.reuse.rule_file import RuleFile, checksum, flatten
from metaplast.rules.base import AbstractRule
from metaplast.signals import Theta
from metaplast.spec import encode


def describe_rule(
    lifetime: Lifetime,
    theta: Theta,
    *,
    provenance: Mapping[str, Any] | None = None,
    scores: list[Plain] | None = None,
    activity_reference: float | None = None,
    ancestry: Sequence[Mapping[str, str]] = (),
) -> tuple[Plain, dict[str, np.ndarray]]:
    """The document and the tensors of a rule file, for `save_rule`.

    Args:
        lifetime: the task, the network and the slots whose rules are described.
        theta: the numbers of the rules, as `lifetime.init` gives them.
        provenance: the origin of the rules, such as experiment, seed and outer_steps. The versions
            of the packages that compute the rules, and the bounds of the weights, are added.
        scores: rows of a table, as in summary.json.
        activity_reference: hertz that an activity of 1 stands for; None: those of the lifetime.
        ancestry: the ancestors of the rules as {rule, sha256, change}, the eldest first; empty for
            rules that were searched from the start of their form.

    Returns: the document as plain data, and {dotted name: leaf} of theta.
    Raises: BadInput for values that a file cannot hold, or a change of weight that is not finite.
    """
    lifetime, theta = settled(lifetime, theta)
    if activity_reference is None:
        activity_reference = lifetime.activity_reference
    slots: dict[str, Plain] = {}
    vectors: dict[str, Any] = {}
    tensors: dict[str, np.ndarray] = {}
    for slot in lifetime.slots:
        facts = _slot(lifetime, slot)
        slots[slot.name] = facts
        channels = _channels(facts["reads"])
        slot_theta = theta["rules"][slot.name]
        by_edge = {"": slot_theta} if slot.shared else slot_theta
        for edge, part in by_edge.items():
            prefix = slot.name
            key = slot.name
            if edge:
                prefix = f"{slot.name}.{edge}"
                key = f"{slot.name}/{edge}"
            tensors |= flatten(prefix, part)
            vectors[key] = reference(slot.rule, part, channels, lifetime.dt).tolist()
    document = {
        "slots": slots,
        "reference": vectors,
        "dt": lifetime.dt,
        "activity_reference": float(activity_reference),
        "provenance": {
            "versions": versions(),
            "bounds": _bounds(lifetime),
            **plain(dict(provenance or {})),
        },
        "scores": plain(list(scores or [])),
        "ancestry": plain(list(ancestry)),
    }
    return document, tensors


def _slot(lifetime: Lifetime, slot: Slot) -> Plain:
    """The facts on one slot, as a document holds them."""
    reads = lifetime.reads()
    connections = {}
    fields: set[str] = set()
    for name, (edge, slot_of_edge) in lifetime.plastic().items():
        if slot_of_edge == slot:
            connections[name] = _connection(edge.connection)
            fields |= reads[name]
    return {
        "edges": slot.edges,
        "shared": slot.shared,
        "rule": encode(slot.rule),
        "account": _account.plain(account_of(slot.rule)),
        "connections": connections,
        "clock": slot.rule.clock,
        "reads": sorted(fields),
        "reach": reach(fields),
    }


def _bounds(lifetime: Lifetime) -> Plain:
    """{edge: [low, high]} of the weights of every edge with a rule; null where there is none."""
    wiring = lifetime.wiring()
    by_edge = {}
    for name, (edge, _) in lifetime.plastic().items():
        ends: list[float | None] = []
        for end in wiring.bounds(edge):
            ends.append(float(end) if math.isfinite(end) else None)
        by_edge[name] = ends
    return by_edge


def describe_loaded(
    rule: AbstractRule,
    theta: Theta,
    connections: Plain,
    reads: frozenset[str],
    *,
    dt: float,
    activity_reference: float,
    ancestry: Sequence[Mapping[str, str]],
) -> tuple[Plain, dict[str, np.ndarray]]:
    """The document and the tensors of one rule without a lifetime.

    Args:
        rule: the form of the rule.
        theta: its numbers.
        connections: {edge: its sizes and spec}, as in a document.
        reads: the fields of the view that it reads.
        dt: seconds of a step.
        activity_reference: hertz that an activity of 1 stands for.
        ancestry: the rules from which it was made.

    Raises: BadInput as `describe_rule`.
    """
    slot = {
        "edges": "*",
        "shared": True,
        "rule": encode(rule),
        "account": _account.plain(account_of(rule)),
        "connections": connections,
        "clock": rule.clock,
        "reads": sorted(reads),
        "reach": reach(reads),
    }
    vector = reference(rule, theta, _channels(reads), dt).tolist()
    document = {
        "slots": {"rule": slot},
        "reference": {"rule": vector},
        "dt": dt,
        "activity_reference": activity_reference,
        "provenance": {"versions": versions()},
        "scores": [],
        "ancestry": plain(list(ancestry)),
    }
    return document, flatten("rule", theta)


def ancestry_from(file: RuleFile, change: str) -> list[Plain]:
    """The ancestry of a rule that was made from the rule of a file.

    Args:
        file: the file of the rule from which it was made.
        change: the way to the new rule, in words.
    """
    digest = checksum(file.document, file.tensors)
    ancestor = {"rule": RULE_FILE, "sha256": digest, "change": change}
    return [*file.document.get("ancestry", []), ancestor][-MAX_ANCESTORS:]


def _channels(reads: Iterable[str]) -> tuple[str, ...]:
    """The modulators among the fields that a rule reads."""
    names = []
    for field in reads:
        if field.startswith("modulators."):
            names.append(field.partition(".")[2])
    return tuple(names)


def settled(lifetime: Lifetime, theta: Theta) -> tuple[Lifetime, Theta]:
    """The lifetime and theta with final rules: developed, and of the form that a search decided."""
    theta = lifetime.develop(theta)
    slots = []
    rules = dict(theta["rules"])
    for slot in lifetime.slots:
        rule = slot.rule
        if slot.shared:
            rule, rules[slot.name] = slot.rule.settled(rules[slot.name])
        slots.append(replace(slot, rule=rule))
    lasting = replace(lifetime, slots=tuple(slots), genome=lifetime.genome.settled())
    return lasting, {**theta, "rules": rules}


def versions() -> dict[str, str]:
    """The versions of Python and of the packages that compute a rule."""
    by_name = {"python": platform.python_version()}
    for package in ("metaplast", "jax", "numpy"):
        try:
            by_name[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            by_name[package] = "not installed"
    return by_name


def plain(value: Any) -> Any:
    """The value as plain data with Python's numbers; a number that is not finite becomes None.

    Raises: BadInput for anything but numbers, text, sequences and mappings.
    """
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return list(map(plain, value))
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            return None
        return float(value)
    if np.ndim(value) == 0 and np.asarray(value).dtype.kind in "fiub":
        return plain(np.asarray(value).item())
    raise BadInput(f"a {type(value).__name__} in provenance or scores", "plain data", "convert it")


def _connection(connection: Any) -> Plain:
    return {
        "n_post": connection.n_post,
        "n_pre": connection.n_pre,
        "shape": list(connection.shape),
        "spec": encode(connection),
    }
