"""The comparison of fitted numbers with the true ones of simulated data."""

from metaplast.fitting.result import TrueNumber
from metaplast.results.numbers import Bounds, json_number
from metaplast.reuse.formula import NEGLIGIBLE

CLOSE = 0.25  # of the truth: so near a fitted number is recovered


def recovered(
    true: dict[str, float], fitted: dict[str, float], bounds: dict[str, Bounds]
) -> list[TrueNumber]:
    """The numbers that are not 0 in the truth or in the fit, the largest first.

    A fitted number below NEGLIGIBLE of the largest true one counts as 0.

    Args:
        true: {name: number of the rule that simulated the data}.
        fitted: {name: number of the fitted rule}.
        bounds: {name: 95 % interval of the fitted number}.
    """
    largest = max((abs(value) for value in true.values()), default=0.0)
    kept = {}
    for name, value in fitted.items():
        kept[name] = value if abs(value) > NEGLIGIBLE * largest else 0.0

    def size(name: str) -> float:
        return max(abs(true.get(name, 0.0)), abs(fitted.get(name, 0.0)))

    numbers = []
    for name in sorted({*true, *fitted}, key=lambda name: -size(name)):
        truth = true.get(name, 0.0)
        fit = kept.get(name, 0.0)
        if truth != 0.0 or fit != 0.0:
            verdict = verdict_on(truth, fit)
            numbers.append(
                TrueNumber(name, json_number(truth), json_number(fit), bounds.get(name), verdict)
            )
    return numbers


def verdict_on(true: float, fitted: float) -> str:
    """One word on a number.

    `recovered`: both have one sign, and the fit lies within CLOSE of the truth.
    `off`: kept, but further away.
    `missed`: not kept.
    `false`: kept, but not in the truth.
    """
    if true == 0.0:
        return "false"
    if fitted == 0.0:
        return "missed"
    return "recovered" if abs(fitted - true) <= CLOSE * abs(true) else "off"
