"""What a fit says of how well its numbers are known: as plain data, and as reasons to doubt."""

import math
from typing import Any

from metaplast.fitting.bootstrap import Bootstrap
from metaplast.fitting.geometry import Direction
from metaplast.fitting.intervals import Known

Plain = dict[str, Any]
SHOWN = 5  # directions, and combinations that are open


def of_intervals(known: Known | None, refits: Bootstrap | None) -> Plain | None:
    """The intervals that count: from edge to edge of those over subjects and of the refits, where
    any were made; null for a number that the data do not settle."""
    if known is None:
        return None
    ci95 = {} if known.why else {name: _hull(name, known, refits) for name in known.names}
    if known.why and refits is not None:
        ci95 = {name: _plain(*ends) for name, ends in refits.interval.items()}
    return {
        "over": known.over,
        "n": known.n,
        "ci95": ci95,
        "open": [
            _weights(w) for w in known.open if len(w) > 1 or not set(w) <= set(known.separated)
        ][:SHOWN],
        "settled": [
            {
                "value": finite(s.value),
                "ci95": _plain(s.low, s.high),
                "weights": _weights(s.weights),
            }
            for s in known.settled[:SHOWN]
        ],
        "separated": known.separated,
        "alone": list(known.alone),
        "swaps": [_weights(weights) for weights in known.swaps[:SHOWN]],
        "condition": finite(known.condition),
        "directions": of_directions(known.directions),
        "why": known.why,
    }


def of_bootstrap(refits: Bootstrap | None, told: Plain | None = None) -> Plain | None:
    """How many refits were made, and the intervals and directions of `told` (`of_intervals`), else
    their own.
    """
    if refits is None and told is None:
        return None
    known = told is not None and not told["why"]
    own = {name: _plain(*ends) for name, ends in refits.interval.items()} if refits else {}
    return {
        "refits": len(refits.values) + refits.failed if refits else 0,
        "failed": refits.failed if refits else 0,
        "unsettled": refits.unsettled if refits else 0,
        "ci95": told["ci95"] if told is not None and known else own,
        "directions": told["directions"]
        if told is not None and known
        else of_directions(refits.directions if refits else []),
    }


def of_directions(directions: list[Direction]) -> list[Plain]:
    return [
        {"sd": finite(d.sd), "loose": d.loose, "weights": _weights(d.weights)}
        for d in directions[:SHOWN]
    ]


def finite(value: float) -> float | None:
    return float(f"{value:.6g}") if math.isfinite(value) else None


def words(weights: Plain) -> str:
    return " ".join(f"{value:+.2f} {name}" for name, value in weights.items())


def doubts(told: Plain | None) -> list[str]:
    """Reasons to doubt the numbers, from `of_intervals`."""
    if told is None:
        return []
    if told["why"]:
        return [
            f"How well the numbers are determined is not known: {told['why']}. Set "
            f"fit.bootstrap=200 or more."
        ]
    said = warnings(told)
    for combination in told["settled"] if told["open"] else []:
        low, high = combination["ci95"]
        span = "" if low is None else f" [{low:.4g}, {high:.4g}]"
        said.append(
            f"These data settle only {words(combination['weights'])}: "
            f"{combination['value']:.4g}{span}."
        )
    for weights in told["swaps"]:
        said.append(
            f"A number that was kept cannot be told from one that was left out: {words(weights)} "
            f"is not settled by "
            "these data, and either may be meant."
        )
    if told.get("alone"):
        one = told["over"].removesuffix("s")
        said.append(
            f"The data of one {one} alone settle {', '.join(told['alone'])}: the others say "
            f"nothing of it, and its "
            f"interval nothing of them."
        )
    if told["over"] != "subjects" and told["ci95"]:
        said.append(
            f"Only one subject was fitted: intervals of the numbers are over {told['n']} "
            f"{told['over']} of it, and say "
            "nothing of others."
        )
    return said


def warnings(told: Plain | None) -> list[str]:
    """What makes numbers meaningless, from `of_intervals`."""
    if told is None or told["why"]:
        return []
    said = []
    if told["separated"]:
        names = ", ".join(told["separated"])
        said.append(
            f"Choices are predicted without fault along {names} (separation): the likelihood rises "
            f"without bound, the "
            "values are where the search stopped, and no interval of them exists. Record choices "
            "that differ."
        )
    return said + [_flat(weights) for weights in told["open"]]


def _flat(weights: Plain) -> str:
    if len(weights) == 1:
        (name,) = weights
        return (
            f"{name} is not settled by these data: nothing that was recorded depends on it "
            f"here. It has no interval."
        )
    names = ", ".join(weights)
    return (
        f"The combination {words(weights)} is not settled by these data: what is predicted stays "
        f"the same along it. "
        f"{names} have no interval of their own."
    )


def _hull(name: str, known: Known, refits: Bootstrap | None) -> list[float | None]:
    low, high = known.interval[name]
    if refits is None or name not in refits.interval or not math.isfinite(low):
        return _plain(low, high)
    ends = [x for x in (low, high, *refits.interval[name]) if math.isfinite(x)]
    return _plain(min(ends), max(ends))


def _plain(low: float, high: float) -> list[float | None]:
    return [finite(low), finite(high)]


def _weights(weights: dict[str, float]) -> Plain:
    return {name: finite(value) for name, value in weights.items()}
