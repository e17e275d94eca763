"""The certainty of a fit's numbers as plain results: the intervals that count, and the refits."""

import math
from typing import NamedTuple

from metaplast.fitting.bootstrap import Bootstrap
from metaplast.fitting.geometry import Direction
from metaplast.fitting.intervals import NumberIntervals
from metaplast.fitting.result import (
    BootstrapResult,
    DirectionResult,
    IntervalsResult,
    SettledResult,
    Weights,
)
from metaplast.results.numbers import Bounds, json_number

SHOWN = 5  # directions, and combinations that are open


class Certainty(NamedTuple):
    """Two sources of intervals.

    intervals: of the numbers, over subjects; None where nothing of a rule is learned.
    refits: to drawn data; None where none were asked for.
    """

    intervals: NumberIntervals | None
    refits: Bootstrap | None


def intervals_result(certainty: Certainty) -> IntervalsResult | None:
    """The intervals that count, for fit.json.

    Each interval covers the interval over subjects and the interval of the refits, where refits
    were made. It has no ends for a number that the data do not settle.
    """
    numbers, refits = certainty
    if numbers is None:
        return None
    ci95 = {}
    if not numbers.why:
        ci95 = {}
        for name in numbers.names:
            ci95[name] = _hull(name, numbers, refits)
    elif refits is not None:
        ci95 = _refit_bounds(refits)
    opened = []
    for combination in numbers.open:
        if not _is_separated(combination, numbers):
            opened.append(_weights(combination))
    settled = []
    for combination in numbers.settled[:SHOWN]:
        bounds = _bounds(combination.low, combination.high)
        weights = _weights(combination.weights)
        settled.append(SettledResult(json_number(combination.value), bounds, weights))
    return IntervalsResult(
        over=numbers.over,
        n=numbers.n,
        ci95=ci95,
        open=opened[:SHOWN],
        settled=settled,
        separated=numbers.separated,
        alone=list(numbers.alone),
        swaps=[_weights(weights) for weights in numbers.swaps[:SHOWN]],
        condition=json_number(numbers.condition),
        directions=directions_result(numbers.directions),
        why=numbers.why,
    )


def bootstrap_result(
    refits: Bootstrap | None, intervals: IntervalsResult | None = None
) -> BootstrapResult | None:
    """The number of refits, with the intervals and directions that count, for fit.json.

    They come from `intervals`. Where `intervals` has none, they come from the refits.
    """
    if refits is None and intervals is None:
        return None
    ci95, directions = {}, []
    if intervals is not None and not intervals.why:
        ci95 = intervals.ci95
        directions = intervals.directions
    elif refits is not None:
        ci95 = _refit_bounds(refits)
        directions = directions_result(refits.directions)
    if refits is None:
        return BootstrapResult(refits=0, ci95=ci95, directions=directions)
    return BootstrapResult(
        refits=len(refits.values) + refits.failed,
        failed=refits.failed,
        unsettled=refits.unsettled,
        ci95=ci95,
        directions=directions,
    )


def directions_result(directions: list[Direction]) -> list[DirectionResult]:
    """The loosest directions, for fit.json."""
    results = []
    for d in directions[:SHOWN]:
        results.append(DirectionResult(json_number(d.sd), d.loose, _weights(d.weights)))
    return results


def _is_separated(weights: dict[str, float], numbers: NumberIntervals) -> bool:
    """Whether an open combination is one number that is separated anyway."""
    return len(weights) <= 1 and set(weights) <= set(numbers.separated)


def _hull(name: str, numbers: NumberIntervals, refits: Bootstrap | None) -> Bounds:
    """The interval of a number that reaches over both sources."""
    low, high = numbers.interval[name]
    if refits is None or name not in refits.interval or not math.isfinite(low):
        return _bounds(low, high)
    ends = []
    for end in (low, high, *refits.interval[name]):
        if math.isfinite(end):
            ends.append(end)
    return _bounds(min(ends), max(ends))


def _refit_bounds(refits: Bootstrap) -> dict[str, Bounds]:
    """The intervals of the refits, for fit.json."""
    bounds = {}
    for name, (low, high) in refits.interval.items():
        bounds[name] = _bounds(low, high)
    return bounds


def _bounds(low: float, high: float) -> Bounds:
    return Bounds(json_number(low), json_number(high))


def _weights(weights: dict[str, float]) -> Weights:
    rounded = {}
    for name, value in weights.items():
        rounded[name] = json_number(value)
    return rounded
