"""The content of a rule file, from a trained theta."""

import importlib.metadata
import math
import platform
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from metaplast.language import account as _account
from metaplast.language.grammar import reach
from metaplast.life.lifetime import Lifetime, Slot
from metaplast.registry import BadInput, Plain
from metaplast.reuse.ask import account_of
from metaplast.reuse.reference import reference
from metaplast.reuse.rule_file import flatten
from metaplast.signals import Theta
from metaplast.spec import encode


def describe_rule(
    lifetime: Lifetime,
    theta: Theta,
    *,
    provenance: Mapping[str, Any] | None = None,
    scores: list[Plain] | None = None,
    activity_reference: float = 1.0,
) -> tuple[Plain, dict[str, np.ndarray]]:
    """The document and the tensors of a rule file, for `save_rule`.

    Args:
        lifetime: the task, the network and the slots whose rules are described.
        theta: the numbers of the rules, as `lifetime.init` gives them.
        provenance: the origin of the rules, such as experiment, seed and outer_steps. The versions
            of the packages that compute the rules are added.
        scores: rows of a table, as in summary.json.
        activity_reference: hertz that an activity of 1 stands for; 1.0 where activities are rates.

    Returns: the document as plain data, and {dotted name: leaf} of theta.
    Raises: BadInput for values that a file cannot hold, or a change of weight that is not finite.
    """
    lifetime, theta = settled(lifetime, theta)
    slots: dict[str, Plain] = {}
    vectors: dict[str, Any] = {}
    tensors: dict[str, np.ndarray] = {}
    for slot in lifetime.slots:
        facts = _slot(lifetime, slot)
        slots[slot.name] = facts
        channels = []
        for field in facts["reads"]:
            if field.startswith("modulators."):
                channels.append(field.partition(".")[2])
        slot_theta = theta["rules"][slot.name]
        by_edge = {"": slot_theta} if slot.shared else slot_theta
        for edge, part in by_edge.items():
            prefix = slot.name
            key = slot.name
            if edge:
                prefix = f"{slot.name}.{edge}"
                key = f"{slot.name}/{edge}"
            tensors |= flatten(prefix, part)
            vectors[key] = reference(slot.rule, part, tuple(channels), lifetime.dt).tolist()
    document = {
        "slots": slots,
        "reference": vectors,
        "dt": lifetime.dt,
        "activity_reference": float(activity_reference),
        "provenance": {"versions": versions(), **plain(dict(provenance or {}))},
        "scores": plain(list(scores or [])),
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


def settled(lifetime: Lifetime, theta: Theta) -> tuple[Lifetime, Theta]:
    """The lifetime and theta with the final form of every shared rule whose form is searched."""
    slots = []
    rules = dict(theta["rules"])
    for slot in lifetime.slots:
        rule = slot.rule
        if slot.shared:
            rule, rules[slot.name] = slot.rule.settled(rules[slot.name])
        slots.append(replace(slot, rule=rule))
    return replace(lifetime, slots=tuple(slots)), {**theta, "rules": rules}


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
