"""How theta moves the numbers of a rule: what the rule says of itself, for formulas, pages and files; without JAX."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from metaplast.rules._grammar import RATE_UNIT

Shows = Literal["constants", "terms", "expression"]
LAWS: dict[str, Callable[[float, float], float]] = {  # (value of the field, leaf of theta) -> value as it acts
    "grown": lambda value, leaf: value * _exp(RATE_UNIT * leaf),
    "times_exp": lambda value, leaf: value * _exp(leaf),
    "exp": lambda value, leaf: _exp(leaf),
    "plus": lambda value, leaf: value + leaf,
    "instead": lambda value, leaf: leaf,
}


LISTED = {"terms": "initial", "expression": "expression"}  # shows -> the field that holds a list of numbers


class Moved(NamedTuple):
    """A field that theta moves.

    leaf: its name in theta.
    law: one of LAWS; `grown` is value exp(5 leaf).
    """

    leaf: str
    law: str


@dataclass(frozen=True)
class Account:
    """How theta moves the numbers of one rule.

    moved: {field: Moved} of every number that theta moves. A field that is a list of numbers has a
        leaf of as many; any other has a scalar leaf. What stands here in no field of `moved` is shown
        as it stands in the spec, and a leaf of theta that moves no field is shown as it is.
    shows: `terms` for a sum of the products in the field `terms` with the coefficients `initial`,
        `expression` for a tree in the field of that name whose numbers theta moves, both times
        `rate`; else `constants`.
    traces: whether a term may read traces of spikes.
    silent: whether the rule reads nothing of the view but what its terms or its parts read.
    parts: {label: Part} of the rules inside.
    """

    moved: Mapping[str, Moved] = field(default_factory=dict)
    shows: Shows = "constants"
    traces: bool = False
    silent: bool = False
    parts: Mapping[str, "Part"] = field(default_factory=dict)

    @property
    def listed(self) -> str | None:
        """The field of which theta moves a list of numbers."""
        return LISTED.get(self.shows)


class Part(NamedTuple):
    """A rule inside another.

    fields: where it stands in the spec, such as ("rule",) or ("rules", label).
    leaves: where its theta stands in the theta of the outer rule; () where it is that theta.
    account: its own.
    """

    fields: tuple[str, ...]
    leaves: tuple[str, ...]
    account: Account


def grown(*names: str) -> dict[str, Moved]:
    """`moved` of constants that theta holds as `log_<name>`, 0 at the start: value exp(5 log_<name>)."""
    return {name: Moved(f"log_{name}", "grown") for name in names}


def plain(account: Account) -> dict[str, Any]:
    """The account as a rule file holds it."""
    parts = {
        label: {
            "fields": list(part.fields),
            "leaves": list(part.leaves),
            "account": plain(part.account),
        }
        for label, part in account.parts.items()
    }
    return {
        "moved": {name: list(moved) for name, moved in account.moved.items()},
        "shows": account.shows,
        "traces": account.traces,
        "silent": account.silent,
        "parts": parts,
    }


def from_plain(given: Mapping[str, Any]) -> Account:
    """The account that `plain` wrote; reuse/_document.py checks what stands in a file."""
    parts = {}
    for label, part in given["parts"].items():
        inner = from_plain(part["account"])
        parts[label] = Part(tuple(part["fields"]), tuple(part["leaves"]), inner)
    moved = {name: Moved(*pair) for name, pair in given["moved"].items()}
    return Account(moved, given["shows"], given["traces"], given["silent"], parts)


def _exp(exponent: float) -> float:
    return math.exp(exponent) if exponent < 700.0 else math.inf
