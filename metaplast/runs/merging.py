"""One config laid on another, mapping by mapping."""

from typing import Any

from metaplast.registry import Plain

GROUPS = (
    "experiment",
    "task",
    "network",
    "feedback",
    "genome",
    "rule",
    "objective",
    "outer",
    "logging",
)
FROM = "from"
"""The key of a rule that starts as another rule acts."""


def is_started(rule: Any) -> bool:
    """Whether the value of a key `rule` names the rule that it starts from."""
    return isinstance(rule, dict) and FROM in rule


def merge(base: Plain, over: Plain) -> Plain:
    """`over` laid on `base`, mapping by mapping.

    A list replaces a list. An empty mapping replaces a mapping. A new `name` drops the fields of
    the old plug-in, and so does `from` of a rule.
    """
    merged = dict(base)
    for key, value in over.items():
        old = merged.get(key)
        if isinstance(value, dict) and isinstance(old, str) and key in GROUPS:
            old = {"name": old}
        if key == "rule" and is_started(value):
            old = None  # such a rule begins anew
        if isinstance(value, dict) and isinstance(old, dict) and value and _same_plugin(old, value):
            merged[key] = merge(old, value)
        else:
            merged[key] = value
    return merged


def _same_plugin(old: Plain, new: Plain) -> bool:
    return new.get("name", old.get("name")) == old.get("name")
