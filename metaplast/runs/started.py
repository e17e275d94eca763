"""The rules of a config that start as other rules act: `rule: {from: zoo/oja, drop: [post*pre]}`.

Such a mapping is replaced by the whole spec when a config is composed. So config.yaml needs no file
of a rule, and a resumed run reads none. Its field `ancestry` names the rules at the start.
"""

from typing import Any

from metaplast.registry import BadInput, Plain
from metaplast.reuse.adapt import start_of
from metaplast.runs.merging import FROM, is_started, merge

ANCESTRY = "ancestry"
ONLY = ""
"""The slot of an ancestor of `rule`, which has no name."""


def with_starts(plain: Plain, before: Plain) -> Plain:
    """The config with the specs of all rules that start as other rules act.

    The ancestors of a slot of the main row stay while its rule keeps its form. Rows have none,
    because their rules are written to no rule file.

    Args:
        plain: the config.
        before: the config of the file on which it is laid; {} where there is none.

    Raises: BadInput for a rule that cannot be read or started from.
    """
    whole, found = _section(plain, "rule")
    rows = whole.get("rows")
    if isinstance(rows, dict):
        started = {}
        for name, row in rows.items():
            started[name] = row
            if isinstance(row, dict):
                started[name], _ = _section(row, f"rows.{name}.rule")
        whole = {**whole, "rows": started}
    begun = {ancestor["slot"] for ancestor in found}
    kept = []
    for ancestor in before.get(ANCESTRY) or []:
        slot = ancestor.get("slot", ONLY)
        if slot not in begun and _form(_rule_of(whole, slot)) == _form(_rule_of(before, slot)):
            kept.append(ancestor)
    whole.pop(ANCESTRY, None)
    if kept or found:
        whole[ANCESTRY] = [*kept, *found]
    return whole


def _rule_of(plain: Plain, slot: str) -> Any:
    """The rule of a slot of a config; None where there is none."""
    if slot == ONLY:
        return plain.get("rule")
    slots = plain.get("rules")
    if not isinstance(slots, dict) or not isinstance(slots.get(slot), dict):
        return None
    return slots[slot].get("rule")


def _form(spec: Any) -> Any:
    """A spec without its numbers."""
    if isinstance(spec, dict):
        return {key: _form(value) for key, value in spec.items()}
    if isinstance(spec, list):
        return [_form(value) for value in spec]
    return None if isinstance(spec, int | float) else spec


def _section(section: Plain, where: str) -> tuple[Plain, list[Plain]]:
    """A config, or a row of it, with its started rules, and their ancestors."""
    ancestry: list[Plain] = []
    whole = dict(section)
    if is_started(section.get("rule")):
        whole["rule"], ancestry = _started(section["rule"], where, ONLY)
    slots = section.get("rules")
    if isinstance(slots, dict):
        started = {}
        for name, slot in slots.items():
            started[name] = slot
            if isinstance(slot, dict) and is_started(slot.get("rule")):
                spec, ancestors = _started(slot["rule"], f"rules.{name}.rule", name)
                started[name] = {**slot, "rule": spec}
                ancestry += ancestors
        whole["rules"] = started
    return whole, ancestry


def _started(rule: Plain, where: str, slot: str) -> tuple[Plain, list[Plain]]:
    """The whole spec of a rule, and its ancestors. Its other fields are laid on the spec."""
    fields = dict(rule)
    source = fields.pop(FROM)
    edge = fields.pop("edge", None)
    freeze = _texts(fields.pop("freeze", []), f"{where}.freeze")
    drop = _texts(fields.pop("drop", []), f"{where}.drop")
    is_text = isinstance(source, str) and "${" not in source
    if not is_text or not isinstance(edge, str | None):
        raise BadInput(f"{where}.from={source!r}", "a plain path or a name", "correct it")
    spec, ancestry = start_of(source, edge, freeze, drop, lambda spec: merge(spec, fields))
    return spec, [{**ancestor, "slot": slot} for ancestor in ancestry]


def _texts(value: Any, where: str) -> list[str]:
    """A list of terms. One term may stand without a list."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return value
    raise BadInput(f"{where}={value!r}", "a list of terms", "write [error*pre, post*pre]")
