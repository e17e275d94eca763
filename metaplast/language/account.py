"""How theta moves the numbers of a rule: what the rule says of itself, for formulas, pages and
files; without JAX.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from metaplast.language.grammar import RATE_UNIT

Shows = Literal["constants", "terms", "expression"]


class Law(NamedTuple):
    """acts: (value of the field, leaf of theta) -> value as it acts. neutral: the leaf under which
    the field acts as it stands; None where the leaf stands instead of the field, which only says
    where it starts."""

    acts: Callable[[float, float], float]
    neutral: float | None


LAWS: dict[str, Law] = {
    "grown": Law(lambda value, leaf: value * _exp(RATE_UNIT * leaf), 0.0),
    "times_exp": Law(lambda value, leaf: value * _exp(leaf), 0.0),
    "exp": Law(lambda value, leaf: _exp(leaf), None),
    "plus": Law(lambda value, leaf: value + leaf, 0.0),
    "instead": Law(lambda value, leaf: leaf, None),
    "times": Law(lambda value, leaf: value * leaf, 1.0),
    "times_one_plus": Law(lambda value, leaf: value * (1.0 + leaf), 0.0),
    "grown_alone": Law(lambda value, leaf: _exp(RATE_UNIT * leaf), None),
    "two_to_the": Law(lambda value, leaf: _exp(math.log(2.0) * leaf), None),
    "ten_to_the": Law(lambda value, leaf: _exp(math.log(10.0) * leaf), None),
    "sigmoid": Law(lambda value, leaf: 1.0 / (1.0 + _exp(-leaf)), None),
    "softplus": Law(lambda value, leaf: max(leaf, 0.0) + math.log1p(_exp(-abs(leaf))), None),
    "tanh": Law(lambda value, leaf: math.tanh(leaf), None),
    "square": Law(lambda value, leaf: leaf * leaf, None),
    "inverse": Law(lambda value, leaf: 1.0 / leaf if leaf else math.inf, None),
}

LISTED = {
    "terms": "initial",
    "expression": "expression",
}  # shows -> the field that holds a list of numbers


class Moved(NamedTuple):
    """A field that theta moves.

    leaf: its name in theta.
    law: one of LAWS; `grown` is value exp(5 leaf), `exp` is exp(leaf), whatever the field says.
    """

    leaf: str
    law: str


@dataclass(frozen=True)
class Account:
    """How theta moves the numbers of one rule.

    moved: {field: Moved} of every number that theta moves. A field that is a list of numbers has a
        leaf of as many; any other has a scalar leaf. What stands here in no field of `moved` is
        shown as it stands in the spec, and a leaf of theta that moves no field is shown as it is.
        `leaf`: its dotted name where theta is nested; fields may share a leaf.
    hidden: fields that do not act as they stand, by no law that is known: they are not shown.
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
    hidden: tuple[str, ...] = ()

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
    """`moved` of constants that theta holds as `log_<name>`, 0 at the start: value exp(5
    log_<name>).
    """
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
    hidden = {"hidden": list(account.hidden)} if account.hidden else {}
    return {
        "moved": {name: list(moved) for name, moved in account.moved.items()},
        "shows": account.shows,
        "traces": account.traces,
        "silent": account.silent,
        "parts": parts,
        **hidden,
    }


def from_plain(given: Mapping[str, Any]) -> Account:
    """The account that `plain` wrote; reuse/document.py checks what stands in a file."""
    parts = {}
    for label, part in given["parts"].items():
        inner = from_plain(part["account"])
        parts[label] = Part(tuple(part["fields"]), tuple(part["leaves"]), inner)
    moved = {name: Moved(*pair) for name, pair in given["moved"].items()}
    hidden = tuple(given.get("hidden", ()))
    return Account(moved, given["shows"], given["traces"], given["silent"], parts, hidden)


def _exp(exponent: float) -> float:
    return math.exp(exponent) if exponent < 700.0 else math.inf
