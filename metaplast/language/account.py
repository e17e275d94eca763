"""How theta moves the numbers of a rule: the rule's own account, for formulas, pages and files.

No array library is imported here."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from metaplast.language.grammar import RATE_UNIT

Shows = Literal["constants", "terms", "expression"]


class Law(NamedTuple):
    """A way in which a leaf of theta moves a field of a rule.

    acts: (value of the field, leaf of theta) -> value as it acts.
    neutral: the leaf under which the field acts as it stands. None where the leaf replaces the
        field, and the field only gives the start of the leaf.
    """

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

LISTED = {"terms": "initial", "expression": "expression"}
"""shows -> the field that holds a list of numbers."""


class Moved(NamedTuple):
    """A field that theta moves.

    leaf: the name in theta, dotted where theta is nested. Fields may share a leaf.
    law: one of LAWS. `grown` is value exp(5 leaf). `exp` is exp(leaf), whatever the field is.
    """

    leaf: str
    law: str


@dataclass(frozen=True)
class Account:
    """How theta moves the numbers of one rule.

    moved: {field: Moved} of every number that theta moves. A field that is a list of numbers has a
        leaf of the same length; any other field has a scalar leaf. A field that is not in `moved`
        is shown as it stands in the spec. A leaf of theta that moves no field is shown as it is.
    shows: the form of the rule. `terms`: the sum of the products in the field `terms` with the
        coefficients `initial`, times `rate`. `expression`: the tree in the field of that name,
        whose numbers theta moves, times `rate`. `constants`: any other.
    traces: whether a term may read traces of spikes.
    silent: whether the rule itself reads nothing of the view: its terms or its parts do.
    parts: {label: Part} of the rules inside.
    hidden: fields that do not act as they stand, by an unknown law. They are not shown.
    """

    moved: Mapping[str, Moved] = field(default_factory=dict)
    shows: Shows = "constants"
    traces: bool = False
    silent: bool = False
    parts: Mapping[str, "Part"] = field(default_factory=dict)
    hidden: tuple[str, ...] = ()

    @property
    def listed(self) -> str | None:
        """The field whose list of numbers theta moves; None where there is no such field."""
        return LISTED.get(self.shows)


class Part(NamedTuple):
    """A rule inside another.

    fields: the path to it in the spec, such as ("rule",) or ("rules", label).
    leaves: the path to its theta in the theta of the outer rule; () where it is that theta.
    account: the account of the inner rule.
    """

    fields: tuple[str, ...]
    leaves: tuple[str, ...]
    account: Account


def grown(*names: str) -> dict[str, Moved]:
    """`moved` of constants that act as value exp(5 log_<name>), with log_<name> 0 at the start.

    Args:
        names: the fields.
    """
    return {name: Moved(f"log_{name}", "grown") for name in names}


def plain(account: Account) -> dict[str, Any]:
    """The account as plain data, for a rule file.

    Args:
        account: of a rule.
    """
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


def from_plain(data: Mapping[str, Any]) -> Account:
    """The account that `plain` wrote. It is not checked: reuse/document.py checks a file.

    Args:
        data: the plain data.
    """
    parts = {}
    for label, part in data["parts"].items():
        inner = from_plain(part["account"])
        parts[label] = Part(tuple(part["fields"]), tuple(part["leaves"]), inner)
    moved = {name: Moved(*pair) for name, pair in data["moved"].items()}
    hidden = tuple(data.get("hidden", ()))
    return Account(moved, data["shows"], data["traces"], data["silent"], parts, hidden)


def _exp(exponent: float) -> float:
    """exp, infinite where it would overflow."""
    return math.exp(exponent) if exponent < 700.0 else math.inf
