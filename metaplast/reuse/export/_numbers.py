"""The numbers of a rule as they act, as named constants of a program."""

from typing import Any

from metaplast.reuse.export._expressions import Name
from metaplast.reuse.export._meanings import meaning
from metaplast.reuse.export._program import Builder
from metaplast.reuse.node import Node, learned


def number(builder: Builder, rule: Node, field: str) -> Name:
    """A number of a field as it acts.

    Args:
        builder: the collector.
        rule: the rule.
        field: the name of the field.
    """
    return builder.constant(field, acting(rule, field), note(rule, field))


def note(rule: Node, field: str) -> str:
    """The meaning of a field with its unit, from the words of the rule's class."""
    words = meaning(rule.name, field)
    if not words and field.startswith("tau"):
        words = "time constant, in seconds"
    return words


def acting(rule: Node, field: str) -> float:
    """The value of a field as it acts."""
    moved = learned(rule)
    if field in moved:
        return moved[field]
    return float(rule.spec[field])


def option(rule: Node, field: str) -> Any:
    """The value of a field that theta does not move."""
    return rule.spec[field]
