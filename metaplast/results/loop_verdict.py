"""The verdict on a comparison of outer loops: what was found, how sure, why not to believe it."""

from metaplast.results.loop_comparison import LoopComparison, LoopScore
from metaplast.results.loops import UNITS
from metaplast.results.numbers import interval, number
from metaplast.results.statistics import FEW


def verdict(comparison: LoopComparison) -> list[str]:
    """Three sentences: what was found, how sure it is, and the first reason to doubt it."""
    found = " ".join(_found(comparison, budget) for budget in comparison.best)
    n = comparison.settings.seeds
    sure = (
        f"How sure: {n} training seeds of one problem, Student's t over them; every loop was tuned "
        f"on one other seed, settings tried: {comparison.settings.tries}."
    )
    reasons = doubts(comparison)
    more = ""
    if len(reasons) > 1:
        more = f" ({len(reasons) - 1} more below)"
    return [found, sure, f"Why not to believe it: {reasons[0]}{more}"]


def doubts(comparison: LoopComparison) -> list[str]:
    """The reasons to doubt the order of the loops, those with numbers of their own first."""
    reasons = []
    for name, loop in comparison.refused.items():
        reasons.append(f"{name} took no part: {loop.refused}.")
    for name, loop in comparison.entered.items():
        for budget, score in loop.scores.items():
            spent = f"{comparison.settings.budget(budget):g} {UNITS[budget]}"
            reasons += _of_score(f"{name}, within {spent}", score)
        if not loop.moved:
            reasons.append(f"{name}: theta never moved.")
        if loop.diverged or loop.skipped:
            reasons.append(
                f"{name}: {loop.diverged} training lives blew up, {loop.skipped} steps were "
                "skipped."
            )
    n = comparison.settings.seeds
    if n < FEW:
        reasons.append(f"{n} seeds are few: an interval of Student's t over them is wide.")
    reasons.append(
        "The best is best on these very lives, which favours it, and the luck of tuning is in no "
        "interval."
    )
    return reasons


def level_loops(comparison: LoopComparison) -> list[str]:
    """The best loops, and those not told apart from them, under any budget."""
    names = []
    for budget, best in comparison.best.items():
        if best is None:
            continue
        for name, loop in comparison.entered.items():
            is_level = name == best or _is_level(comparison, loop.scores[budget])
            if is_level and name not in names:
                names.append(name)
    return names


def _found(comparison: LoopComparison, budget: str) -> str:
    """The best loop of a budget, and the loops that are not told apart from it."""
    best = comparison.best[budget]
    spent = f"{comparison.settings.budget(budget):g} {UNITS[budget]}"
    if best is None:
        return f"Nothing was found after {spent}: every loop has lives that are not finite."
    score = comparison.entered[best].scores[budget]
    level = []
    for name, loop in comparison.entered.items():
        if name != best and _is_level(comparison, loop.scores[budget]):
            level.append(f"{name} ({_gap(comparison, loop.scores[budget])})")
    low = f"{best} has the lowest held-out loss after {spent}, {number(score.mean)}"
    if score.ci95.low is not None:
        low = f"{low} {interval(score.ci95)}"
    if level:
        return f"{low}, and is not told apart from {', '.join(level)}."
    if len(comparison.entered) == 1:
        return f"{low}; there is no other loop to compare it with."
    return f"{low}; every other loop is worse."


def _gap(comparison: LoopComparison, score: LoopScore) -> str:
    """The loss as a multiple of the best, or above it, with its interval."""
    gap = score.to_best
    assert gap is not None
    if comparison.is_ratio:
        return f"{number(gap.mean)} times the loss {interval(gap.ci95)}"
    return f"{number(gap.mean, '+.4g')} {interval(gap.ci95, '+.4g')}"


def _is_level(comparison: LoopComparison, score: LoopScore) -> bool:
    """Whether the interval of the loss against the best holds no difference."""
    gap = score.to_best
    if gap is None or gap.ci95.low is None:
        return False
    equal = 1.0 if comparison.is_ratio else 0.0
    return gap.ci95.low <= equal


def _of_score(who: str, score: LoopScore) -> list[str]:
    """A line where no step was made, and one where held-out lives blew up."""
    reasons = []
    if not score.steps:
        reasons.append(f"{who}: no outer step was made.")
    if score.not_finite:
        reasons.append(f"{who}: {score.not_finite} held-out lives were not finite.")
    return reasons
