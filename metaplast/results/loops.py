"""The result of a comparison of outer loops: scores under each budget, paired over seeds."""

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from metaplast.results.numbers import interval, json_estimate, json_number, number
from metaplast.results.statistics import Estimate, student
from metaplast.results.table import INTERVAL, aligned

SCHEMA = "metaplast.compare/1"
Plain = dict[str, Any]
Over = Callable[[Sequence[float]], Estimate]
Losses = dict[str, list[float]]  # loop -> held-out loss of every seed
UNITS = {"lives": "lives", "cpu_s": "CPU seconds"}


def value(scored: Mapping[str, Any]) -> float:
    """The mean loss of a theta; infinite where one of its lives blew up."""
    return math.inf if scored["not_finite"] or scored["loss"] is None else scored["loss"]


def best_try(tries: Sequence[Plain], budget: str) -> int:
    """The setting with the lowest validation loss at the end of a budget.

    The first setting where no loss is finite.
    """
    return min(range(len(tries)), key=lambda i: value(tries[i]["curve"][budget][-1]))


def summed_up(records: Mapping[str, Plain], budgets: Sequence[str]) -> Plain:
    """The scores, curves and costs of every loop.

    A score is the mean held-out loss over seeds with Student's 95 % interval, and the difference to
    the loop that is best on average, paired over seeds. Where every finite loss is positive, both
    are taken of its logarithm: geometric means and ratios, for losses of seeds that differ by
    orders of magnitude. Else they are means and differences. A loop of which a seed ended with
    lives that blew up has no mean. Where all have none, no loop is best (null).

    Args:
        records: {loop: what its runs left: outer, refused, runs by budget, tries, chosen}.
        budgets: the names of the budgets.

    Returns: {"loops": {name: {"outer", "refused", "cpu_s_per_1000_lives", "diverged", "skipped",
        "moved", "scores": {budget: ...}, "curves": {budget: ...}, "tries"}}, "best": {budget:
        name}, "scale": "ratio" | "difference"}. A refused loop has the first two alone.
    """
    entered = {name: record for name, record in records.items() if not record["refused"]}
    losses = {budget: _losses(entered, budget) for budget in budgets}
    ratio = _all_positive(entered, losses)
    over = _over_seeds(ratio)
    best = {budget: _best(losses[budget], over) for budget in budgets}
    loops: Plain = {}
    for name, record in records.items():
        loops[name] = {"outer": record["outer"], "refused": record["refused"]}
    for name, record in entered.items():
        loops[name] |= {
            **_costs(record, budgets),
            "scores": {b: _score(record, losses[b][name], b, over) for b in budgets},
            "curves": {b: _curve(_courses(record, b), over) for b in budgets},
            "tries": record["tries"],
        }
        for budget, reference in best.items():
            if reference is not None:
                gap = _gap(losses[budget][name], losses[budget][reference], ratio)
                loops[name]["scores"][budget]["to_best"] = json_estimate(over(gap))
    return {"loops": loops, "best": best, "scale": "ratio" if ratio else "difference"}


def _losses(entered: Mapping[str, Plain], budget: str) -> Losses:
    """The held-out loss of every loop and seed at the end of a budget."""
    losses = {}
    for name, record in entered.items():
        losses[name] = [value(run["heldout"][budget]) for run in record["runs"][budget]]
    return losses


def _courses(record: Plain, budget: str) -> list[list[Plain]]:
    """The validation marks of every seed."""
    return [run["curve"][budget] for run in record["runs"][budget]]


def _all_positive(entered: Mapping[str, Plain], losses: Mapping[str, Losses]) -> bool:
    """Whether every loss, held out or on the way, has a logarithm."""
    for budget, by_loop in losses.items():
        for name, values in by_loop.items():
            marks = [mark for course in _courses(entered[name], budget) for mark in course]
            if any(not x > 0 for x in [*values, *(value(mark) for mark in marks)]):
                return False
    return True


def _costs(record: Plain, budgets: Sequence[str]) -> Plain:
    """CPU time, lives and steps lost, of all runs of a loop; a run may serve several budgets."""
    distinct = {}
    for budget in budgets:
        for run in record["runs"][budget]:
            distinct[(run["seed"], *run["hyper"].values())] = run
    runs = list(distinct.values())
    cpu_s = sum(run["cpu_s"] for run in runs)
    lives = sum(run["lives"] for run in runs)
    return {
        "cpu_s_per_1000_lives": 1e3 * cpu_s / max(1e-9, lives),
        "diverged": sum(run["diverged"] for run in runs),
        "skipped": sum(run["skipped"] for run in runs),
        "moved": all(run["moved"] for run in runs),
    }


def _best(losses: Losses, over: Over) -> str | None:
    means = {name: over(values).mean for name, values in losses.items()}
    name = min(means, key=lambda name: means[name])
    return name if math.isfinite(means[name]) else None


def _gap(losses: Sequence[float], reference: Sequence[float], ratio: bool) -> list[float]:
    """Seed by seed: loss / reference, or loss - reference; infinite where one is not finite."""
    gaps = []
    for x, y in zip(losses, reference, strict=True):
        if not (math.isfinite(x) and math.isfinite(y)):
            gaps.append(math.inf)
        else:
            gaps.append(x / y if ratio else x - y)
    return gaps


def _over_seeds(ratio: bool) -> Over:
    """The mean with Student's interval; infinite where a value is not finite.

    ratio: whether both are taken of the logarithms.
    """

    def estimate(values: Sequence[float]) -> Estimate:
        if not all(math.isfinite(x) for x in values):
            return Estimate(math.inf, math.nan, math.nan, len(values))
        if not ratio:
            return student(values)
        mean, low, high, n = student([math.log(x) for x in values])
        return Estimate(math.exp(mean), math.exp(low), math.exp(high), n)

    return estimate


def _score(record: Plain, losses: list[float], budget: str, over: Over) -> Plain:
    ends = [run["heldout"][budget] for run in record["runs"][budget]]
    score = {
        "hyper": record["tries"][record["chosen"][budget]]["hyper"],
        **json_estimate(over(losses)),
        "values": [json_number(x) for x in losses],
        "lives_judged": ends[0]["n"],
        "steps": statistics.median(end["steps"] for end in ends),
        "not_finite": sum(end["not_finite"] for end in ends),
    }
    if "accuracy" in ends[0]:
        accuracies = [math.nan if e["accuracy"] is None else e["accuracy"] for e in ends]
        score["accuracy"] = json_estimate(student(accuracies))
    return score


def _curve(courses: Sequence[Sequence[Plain]], over: Over) -> list[Plain]:
    """The marks of a curve, averaged over seeds."""
    curve = []
    for marks in zip(*courses, strict=True):
        curve.append(
            {
                "lives": sum(mark["lives"] for mark in marks) / len(marks),
                "cpu_s": sum(mark["cpu_s"] for mark in marks) / len(marks),
                **json_estimate(over([value(mark) for mark in marks])),
            }
        )
    return curve


def render(result: Plain) -> str:
    """The comparison as text.

    One table per budget, best first; a table of costs and of what went wrong; the loops that take
    no part; how losses are judged.
    """
    entered = {name: loop for name, loop in result["loops"].items() if not loop["refused"]}
    parts = [_table(result, budget, entered) for budget in result["best"]]
    parts.append(_cost_table(entered))
    for name, loop in result["loops"].items():
        if loop["refused"]:
            parts.append(f"{name} takes no part: {loop['refused']}")
    parts.append(_method(result, entered))
    return "\n\n".join(parts)


def _cost_table(entered: Mapping[str, Plain]) -> str:
    head = ("loop", "CPU s per 1000 lives", "lives that blew up", "steps skipped", "")
    lines: list[tuple[str, ...]] = [head]
    for name, loop in entered.items():
        notes = [] if loop["moved"] else ["theta never moved"]
        for budget, score in loop["scores"].items():
            if not score["steps"]:
                notes.append(f"no step within the {UNITS[budget]}")
        cpu_s = f"{loop['cpu_s_per_1000_lives']:.3g}"
        lines.append((name, cpu_s, str(loop["diverged"]), str(loop["skipped"]), ", ".join(notes)))
    return aligned(lines)


def _method(result: Plain, entered: Mapping[str, Plain]) -> str:
    """How losses are judged and loops are tuned."""
    n = result["compare"]["seeds"]
    tries = result["compare"]["tries"]
    first_budget = next(iter(result["best"]))
    first_loop = next(iter(entered.values()))
    judged = first_loop["scores"][first_budget]["lives_judged"]
    ratio = result["scale"] == "ratio"
    how = "geometric means and ratios" if ratio else "means and differences"
    logarithms = " of logarithms" if ratio else ""
    return (
        f"Loss: the objective on the same {judged} held-out lives; {how}, paired, over {n} "
        f"training seeds, with 95 % intervals of Student's t{logarithms}. Every loop was tuned: "
        f"{tries} settings under the same budgets on one other seed, chosen on validation lives; "
        "its luck is in no interval. The best is best on these very lives, which favours it. "
        "blown: held-out lives that were not finite."
    )


def _table(result: Plain, budget: str, entered: Mapping[str, Plain]) -> str:
    ratio = result["scale"] == "ratio"
    best = result["best"][budget]
    form = ".4g" if ratio else "+.4g"
    head = f"after {result['compare'][budget]:g} {UNITS[budget]}"
    against = f"{'over' if ratio else 'minus'} {best}" if best else "nobody is finite"
    lines: list[tuple[str, ...]] = [
        (head, "loss", INTERVAL, against, INTERVAL, "steps", "blown", "tuned to")
    ]
    scores = {name: loop["scores"][budget] for name, loop in entered.items()}
    for name in sorted(scores, key=lambda name: _sortable(scores[name]["mean"])):
        score = scores[name]
        gap = score.get("to_best") if name != best else None
        lines.append(
            (
                name,
                number(score["mean"]),
                _interval(score["ci95"]),
                number(gap["mean"], form) if gap else "",
                _interval(gap["ci95"], form) if gap else "",
                f"{score['steps']:g}",
                str(score["not_finite"]),
                " ".join(f"{key}={setting:.3g}" for key, setting in score["hyper"].items()),
            )
        )
    return aligned(lines)


def _sortable(mean: float | None) -> float:
    return math.inf if mean is None else mean


def _interval(bounds: Sequence[float | None], form: str = ".4g") -> str:
    return "-" if None in bounds else interval(bounds, form)
