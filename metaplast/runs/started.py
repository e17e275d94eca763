"""The rules of a config that start as other rules act: `rule: {from: zoo/oja, drop: [post*pre]}`.

Such a mapping is replaced by the whole spec when a config is composed. So config.yaml needs no file
of a rule, and a resumed run reads none.
"""

from typing import Any

from metaplast.registry import BadInput, Plain
from metaplast.reuse.adapt import start_of

FROM = "from"
ANCESTRY = "ancestry"


def is_started(rule: Any) -> bool:
    """Whether the value of a key `rule` names the rule that it starts from."""
    return isinstance(rule, dict) and FROM in rule


def with_starts(plain: Plain) -> Plain:
    """The config with the specs of all rules that start as other rules act.

    The ancestors of the main rules are in its field `ancestry`. Rows have none, because their rules
    are written to no rule file.

    Raises: BadInput for a rule that cannot be read or started from.
    """
    whole, ancestry = _section(plain, "rule")
    rows = whole.get("rows")
    if isinstance(rows, dict):
        started = {}
        for name, row in rows.items():
            started[name] = row
            if isinstance(row, dict):
                started[name], _ = _section(row, f"rows.{name}.rule")
        whole = {**whole, "rows": started}
    if ancestry:
        whole = {**whole, ANCESTRY: ancestry}
    return whole


def _section(section: Plain, where: str) -> tuple[Plain, list[Plain]]:
    """A config, or a row of it, with its started rules, and their ancestors."""
    ancestry: list[Plain] = []
    whole = dict(section)
    if is_started(section.get("rule")):
        whole["rule"], ancestry = _started(section["rule"], where)
    slots = section.get("rules")
    if isinstance(slots, dict):
        started = {}
        for name, slot in slots.items():
            started[name] = slot
            if isinstance(slot, dict) and is_started(slot.get("rule")):
                spec, ancestors = _started(slot["rule"], f"rules.{name}.rule")
                started[name] = {**slot, "rule": spec}
                ancestry += ancestors
        whole["rules"] = started
    return whole, ancestry


def _started(rule: Plain, where: str) -> tuple[Plain, list[Plain]]:
    """The whole spec of a rule, and its ancestors. Its other fields are laid on the spec."""
    fields = dict(rule)
    source = fields.pop(FROM)
    edge = fields.pop("edge", None)
    freeze = _texts(fields.pop("freeze", []), f"{where}.freeze")
    drop = _texts(fields.pop("drop", []), f"{where}.drop")
    if not isinstance(source, str) or not isinstance(edge, str | None):
        raise BadInput(f"{where}.from={source!r}", "a path or a name", "correct it")
    spec, ancestry = start_of(source, edge, freeze, drop)
    return {**spec, **fields}, ancestry


def _texts(value: Any, where: str) -> list[str]:
    """A list of terms. One term may stand without a list."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return value
    raise BadInput(f"{where}={value!r}", "a list of terms", "write [error*pre, post*pre]")
