"""The rules of a config that start as other rules act: `rule: {from: zoo/oja, drop: [post*pre]}`.

Such a mapping is replaced by the whole spec when a config is composed. Numbers that no field of the
spec holds go to `start` beside it, and the names of those that shall not move to `frozen`. So
config.yaml needs no file of a rule, and a resumed run reads none. Its field `ancestry` names the
rules at the start.
"""

from typing import Any

from metaplast.registry import BadInput, Plain
from metaplast.reuse.adapt import Start, start_of
from metaplast.runs.merging import FROM, is_started, merge

ANCESTRY = "ancestry"
START = "start"
FROZEN = "frozen"
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
    whole, found = _section(plain, "rule", before)
    rows = whole.get("rows")
    if isinstance(rows, dict):
        started = {}
        for name, row in rows.items():
            started[name] = row
            if isinstance(row, dict):
                row_before = _mapping(_mapping(before.get("rows")).get(name))
                started[name], _ = _section(row, f"rows.{name}.rule", row_before)
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


def _mapping(value: Any) -> Plain:
    """The value where it is a mapping; an empty one otherwise."""
    return value if isinstance(value, dict) else {}


def _section(section: Plain, where: str, before: Plain) -> tuple[Plain, list[Plain]]:
    """A config, or a row of it, with its started rules, and their ancestors."""
    whole, ancestry = _with_start(section, where, ONLY, before)
    slots = section.get("rules")
    if isinstance(slots, dict):
        slots_before = _mapping(before.get("rules"))
        started = {}
        for name, slot in slots.items():
            started[name] = slot
            if isinstance(slot, dict):
                slot_before = _mapping(slots_before.get(name))
                place = f"rules.{name}.rule"
                started[name], ancestors = _with_start(slot, place, name, slot_before)
                ancestry += ancestors
        whole["rules"] = started
    return whole, ancestry


def _with_start(section: Plain, where: str, slot: str, before: Plain) -> tuple[Plain, list[Plain]]:
    """The fields around a rule, such as those of a slot, with its spec and its numbers.

    Numbers that stood there before stay while the rule keeps its form.
    """
    whole = dict(section)
    rule = section.get("rule")
    if not is_started(rule):
        if _form(rule) != _form(before.get("rule")) and whole.get(START) == before.get(START):
            whole.pop(START, None)
            whole.pop(FROZEN, None)
        return whole, []
    start = _started(rule, where)
    whole.pop(START, None)
    whole.pop(FROZEN, None)
    whole["rule"] = start.spec
    if start.numbers:
        whole[START] = start.numbers
    if start.frozen:
        whole[FROZEN] = start.frozen
    return whole, [{**ancestor, "slot": slot} for ancestor in start.ancestry]


def _started(rule: Any, where: str) -> Start:
    """The start of a rule. Its other fields are laid on the spec."""
    fields = dict(rule)
    source = fields.pop(FROM)
    edge = fields.pop("edge", None)
    freeze = _texts(fields.pop("freeze", []), f"{where}.freeze")
    drop = _texts(fields.pop("drop", []), f"{where}.drop")
    is_text = isinstance(source, str) and "${" not in source
    if not is_text or not isinstance(edge, str | None):
        raise BadInput(f"{where}.from={source!r}", "a plain path or a name", "correct it")
    return start_of(source, edge, freeze, drop, lambda spec: merge(spec, fields))


def _texts(value: Any, where: str) -> list[str]:
    """A list of terms. One term may stand without a list."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return value
    raise BadInput(f"{where}={value!r}", "a list of terms", "write [error*pre, post*pre]")
