"""The account of a rule: how theta moves its numbers. Formulas, pages and rule files use it.

No array library is imported here.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from metaplast.language.grammar import RATE_UNIT

Shows = Literal["constants", "terms", "expression"]


class Law(NamedTuple):
    """A law by which a leaf of theta moves a field of a rule.

    acts: (value of the field, leaf of theta) -> value as it acts.
    neutral: the leaf with which the field acts as it stands. None for a leaf that replaces the
        field; the field then only gives the start of the leaf.
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
    "inverse": Law(lambda value, leaf: _inverse(leaf), None),
}

LISTED = {"terms": "initial", "expression": "expression"}
"""Form of a rule -> the field that holds its list of numbers."""


class Moved(NamedTuple):
    """The leaf and the law by which theta moves a field.

    leaf: name of the leaf, dotted where theta is nested. Fields may share a leaf.
    law: one of LAWS. `grown` is value exp(5 leaf). `exp` is exp(leaf) for any value of the field.
    """

    leaf: str
    law: str


@dataclass(frozen=True)
class Account:
    """The account of one rule: the ways in which theta moves its numbers.

    moved: {field: Moved} of every field that theta moves. A field that is a list of numbers has a
        leaf of the same length. Any other field has a scalar leaf. A field that is not in `moved`
        is shown as it stands in the spec. A leaf that moves no field is shown as it is.
    shows: form of the rule. `terms` is the sum of the products in the field `terms`, with the
        coefficients `initial`, times `rate`. `expression` is the tree in the field of that name,
        with numbers that theta moves, times `rate`. `constants` is any other form.
    traces: whether a term may read traces of spikes.
    silent: whether only the terms and the parts of the rule read the view.
    parts: {label: Part} of the rules inside the rule.
    hidden: fields that act by an unknown law. They are not shown.
    """

    moved: Mapping[str, Moved] = field(default_factory=dict)
    shows: Shows = "constants"
    traces: bool = False
    silent: bool = False
    parts: Mapping[str, "Part"] = field(default_factory=dict)
    hidden: tuple[str, ...] = ()

    @property
    def listed(self) -> str | None:
        """The field whose list of numbers theta moves, or None."""
        return LISTED.get(self.shows)


class Part(NamedTuple):
    """A rule inside another rule.

    fields: path to the inner rule in the spec, such as ("rule",) or ("rules", label).
    leaves: path to its theta in the theta of the outer rule; () where both have the same theta.
    account: account of the inner rule.
    """

    fields: tuple[str, ...]
    leaves: tuple[str, ...]
    account: Account


def grown(*names: str) -> dict[str, Moved]:
    """The `moved` of constants that act as value exp(5 log_<name>).

    log_<name> is 0 at the start.

    Args:
        names: the fields of the constants.
    """
    return {name: Moved(f"log_{name}", "grown") for name in names}


def plain(account: Account) -> dict[str, Any]:
    """The account as plain data, for a rule file.

    Args:
        account: the account of a rule.
    """
    parts = {}
    for label, part in account.parts.items():
        parts[label] = {
            "fields": list(part.fields),
            "leaves": list(part.leaves),
            "account": plain(part.account),
        }
    data: dict[str, Any] = {
        "moved": {name: list(moved) for name, moved in account.moved.items()},
        "shows": account.shows,
        "traces": account.traces,
        "silent": account.silent,
        "parts": parts,
    }
    # Earlier versions have no such key.
    if account.hidden:
        data["hidden"] = list(account.hidden)
    return data


def from_plain(data: Mapping[str, Any]) -> Account:
    """The account of plain data. It is not checked here; reuse/document.py checks a file.

    Args:
        data: the result of `plain`.
    """
    parts = {}
    for label, part in data["parts"].items():
        inner = from_plain(part["account"])
        parts[label] = Part(tuple(part["fields"]), tuple(part["leaves"]), inner)
    moved = {name: Moved(*pair) for name, pair in data["moved"].items()}
    hidden = tuple(data.get("hidden", ()))
    return Account(moved, data["shows"], data["traces"], data["silent"], parts, hidden)


def _exp(exponent: float) -> float:
    """The exponential; infinite where it would overflow."""
    if exponent < 700.0:
        return math.exp(exponent)
    return math.inf


def _inverse(number: float) -> float:
    """One over a number; infinite at 0."""
    if number == 0.0:
        return math.inf
    return 1.0 / number
