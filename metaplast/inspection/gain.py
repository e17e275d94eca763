"""How much better the searched row is than another: a difference in words."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from metaplast.results.numbers import interval, number, table_form
from metaplast.results.summary import Difference

Relation = Literal["above", "level", "below"]
"""Of the searched row to another: better, not told apart, or worse."""


@dataclass(frozen=True)
class Gain:
    """How much better the searched row is than another: positive is better, in any metric.

    name: of the other row.
    mean: paired difference.
    low, high: its 95 % interval; NaN where unknown.
    """

    name: str
    mean: float
    low: float
    high: float

    @property
    def relation(self) -> Relation:
        """Above where the interval is above 0, below where it is below, else level."""
        if self.low > 0:
            return "above"
        if self.high < 0:
            return "below"
        return "level"

    @property
    def turned(self) -> "Gain":
        """How much worse it is."""
        return Gain(self.name, -self.mean, -self.high, -self.low)

    def amount(self, words: str = "") -> str:
        """`0.0259 [0.0232, 0.0288]`.

        Args:
            words: stand between the mean and its interval.
        """
        form = table_form([self.mean, self.low, self.high])
        if math.isnan(self.low):
            return f"{number(self.mean, form)} (no interval)"
        return f"{number(self.mean, form)}{words} {interval([self.low, self.high], form)}"


def gain_over(name: str, difference: Difference) -> Gain:
    """The gain over a row.

    Args:
        name: of the row.
        difference: positive where the searched row is better.
    """
    low, high = difference.ci95
    return Gain(name, _or_nan(difference.mean), _or_nan(low), _or_nan(high))


def closest(gains: Mapping[str, Gain]) -> Gain:
    """The smallest gain: the best of the other rows."""
    return min(gains.values(), key=lambda gain: gain.mean)


def _or_nan(value: float | None) -> float:
    if value is None:
        return math.nan
    return value
