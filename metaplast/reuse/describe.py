"""From a trained theta to the content of a rule file."""

import importlib.metadata
import math
import platform
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from metaplast.language import account as _account
from metaplast.language.grammar import reach
from metaplast.life.lifetime import Lifetime
from metaplast.registry import BadInput
from metaplast.reuse.ask import account_of
from metaplast.reuse.reference import reference
from metaplast.reuse.rule_file import flatten
from metaplast.signals import Theta
from metaplast.spec import encode

Plain = dict[str, Any]


def describe_rule(
    lifetime: Lifetime,
    theta: Theta,
    *,
    provenance: Mapping[str, Any] | None = None,
    scores: list[Plain] | None = None,
    activity_reference: float = 1.0,
) -> tuple[Plain, dict[str, np.ndarray]]:
    """The content of a rule file: (document, tensors) of the rules in `theta`, for `save_rule`.

    Args:
        lifetime: the task, the network and the slots whose rules are described.
        theta: the numbers of the rules, as `lifetime.init` gives them.
        provenance: where the rules come from: experiment, seed, outer_steps, ... The versions of
            the packages that compute the rules are added.
        scores: rows of a table, as in summary.json.
        activity_reference: hertz that an activity of 1 stands for; 1.0 where activities are rates.

    Returns: the document as plain data, and the leaves of theta by dotted name.
    Raises: BadInput for values that a file cannot hold, or a change of weight that is not finite.
    """
    lifetime, theta = _settled(lifetime, theta)
    plastic, reads = lifetime.plastic(), lifetime.reads()
    slots: dict[str, Plain] = {}
    vectors: dict[str, Any] = {}
    tensors: dict[str, np.ndarray] = {}
    for slot in lifetime.slots:
        edges = {name: edge for name, (edge, its_slot) in plastic.items() if its_slot == slot}
        fields = sorted(frozenset().union(*(reads[name] for name in edges)))
        slots[slot.name] = {
            "edges": slot.edges,
            "shared": slot.shared,
            "rule": encode(slot.rule),
            "account": _account.plain(account_of(slot.rule)),
            "connections": {name: _connection(edge.connection) for name, edge in edges.items()},
            "clock": slot.rule.clock,
            "reads": fields,
            "reach": reach(fields),
        }
        channels = tuple(
            name.partition(".")[2] for name in fields if name.startswith("modulators.")
        )
        learnt = theta["rules"][slot.name]
        for edge, part in {"": learnt}.items() if slot.shared else learnt.items():
            tensors |= flatten(f"{slot.name}.{edge}" if edge else slot.name, part)
            vector = reference(slot.rule, part, channels, lifetime.dt)
            vectors[f"{slot.name}/{edge}" if edge else slot.name] = vector.tolist()
    document = {
        "slots": slots,
        "reference": vectors,
        "dt": lifetime.dt,
        "activity_reference": float(activity_reference),
        "provenance": {"versions": versions(), **plain(dict(provenance or {}))},
        "scores": plain(list(scores or [])),
    }
    return document, tensors


def _settled(lifetime: Lifetime, theta: Theta) -> tuple[Lifetime, Theta]:
    """The lifetime and theta in which the searched form of every shared rule is settled."""
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
    found = {"python": platform.python_version()}
    for package in ("metaplast", "jax", "numpy"):
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            found[package] = "not installed"
    return found


def plain(value: Any) -> Any:
    """Plain data with Python's own numbers; a number that is not finite becomes None.

    Raises: BadInput for anything but numbers, text, sequences and mappings.
    """
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
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
