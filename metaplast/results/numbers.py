"""The written form of numbers: on pages, in tables, in lines of text, and in JSON files."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from metaplast.results.statistics import Estimate

NOT_FINITE = "not finite"
UNKNOWN = "none"


class Bounds(NamedTuple):
    """The ends of an interval as JSON files hold them; None where one is not finite."""

    low: float | None
    high: float | None


@dataclass(frozen=True)
class RoundedEstimate:
    """An estimate as JSON files hold it: six significant digits, None where it is not finite.

    mean: of the values.
    ci95: its 95 % interval.
    n: number of values.
    """

    mean: float | None
    ci95: Bounds
    n: int


def number(value: float | None, form: str = ".4g") -> str:
    """The number in a format of Python; `not finite` for None, NaN and infinity.

    Args:
        value: the number, or None where a JSON file holds null.
        form: a format specification, such as `.3g` or `+.4g`.
    """
    if value is None or not math.isfinite(value):
        return NOT_FINITE
    return format(value, form)


def measured(value: float, form: str = ".2g") -> str:
    """The number in a format of Python; `none` for NaN, which stands for a missing measurement.

    Infinity is a result of a measurement and stays `inf`.
    """
    if math.isnan(value):
        return UNKNOWN
    return format(value, form)


def with_error(value: float, error: float) -> str:
    """`0.98 +- 0.02`; the value alone where its standard error is unknown."""
    if math.isnan(error):
        return measured(value)
    return f"{measured(value)} +- {measured(error)}"


def share(value: float) -> str:
    """A share of 1 in whole percent, such as `25%`."""
    return measured(value, ".0%")


def per_second(rate: float, dt: float) -> str:
    """A rate per step of `dt` seconds, and the same rate per second."""
    if math.isnan(rate):
        return UNKNOWN
    return f"{rate:+.2g} a step, {rate / dt:+.2g} a second"


def interval(bounds: Sequence[float | None], form: str = ".4g") -> str:
    """`[low, high]`, each bound as `number` writes it."""
    low, high = bounds
    return f"[{number(low, form)}, {number(high, form)}]"


def percent(bounds: Sequence[float]) -> str:
    """The interval of a relative change, such as `[-1.5, +120] %`.

    Two significant digits below 100 %, whole percent from there on.
    """
    words = []
    for bound in bounds:
        form = "+.0f"
        if abs(bound) < 1:
            form = "+.2g"
        words.append(format(100 * bound, form))
    low, high = words
    return f"[{low}, {high}] %"


def table_form(values: Sequence[float | None]) -> str:
    """The format of one column: three decimals, or three significant digits.

    Significant digits are taken where three decimals would show nothing, or far too much.
    """
    sizes = []
    for value in values:
        if value is not None:
            sizes.append(abs(value))
    largest = max(sizes, default=1.0)
    if 0.05 <= largest < 1e3:
        return ".3f"
    return ".3g"


def text(value: Any) -> str:
    """A plain value of a JSON file as text, at any depth; null is `not finite`."""
    if isinstance(value, dict):
        return ", ".join(f"{key} {text(item)}" for key, item in value.items())
    if isinstance(value, list):
        return f"[{', '.join(text(item) for item in value)}]"
    if value is None:
        return NOT_FINITE
    if isinstance(value, float):
        return f"{value:.4g}"
    return str(value)


def json_number(value: float) -> float | None:
    """The number to six significant digits, as JSON files hold it; None if it is not finite."""
    if math.isfinite(value):
        return float(f"{value:.6g}")
    return None


def json_tree(tree: Any) -> Any:
    """Nested dicts and lists with `json_number` of every number."""
    if isinstance(tree, dict):
        rounded_tree = {}
        for name, value in tree.items():
            rounded_tree[name] = json_tree(value)
        return rounded_tree
    if isinstance(tree, list):
        rounded_list = []
        for value in tree:
            rounded_list.append(json_tree(value))
        return rounded_list
    return json_number(tree)


def json_list(values: Any) -> list[float | None]:
    """`json_number` of every value of a sequence or a vector."""
    numbers = []
    for value in values:
        numbers.append(json_number(float(value)))
    return numbers


def rounded(estimate: Estimate) -> RoundedEstimate:
    """The estimate with `json_number` of every number."""
    bounds = Bounds(json_number(estimate.low), json_number(estimate.high))
    return RoundedEstimate(json_number(estimate.mean), bounds, estimate.n)
