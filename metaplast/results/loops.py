"""What a comparison of outer loops says: scores under each budget, differences paired over seeds."""

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from metaplast.results.statistics import Estimate, student
from metaplast.results.table import INTERVAL, aligned

SCHEMA = "metaplast.compare/1"
Plain = dict[str, Any]
Over = Callable[[Sequence[float]], Estimate]
UNITS = {"lives": "lives", "cpu_s": "CPU seconds"}


def value(scored: Mapping[str, Any]) -> float:
    """The mean loss of a theta; infinite where one of its lives blew up."""
    return math.inf if scored["not_finite"] or scored["loss"] is None else scored["loss"]


def best_try(tries: Sequence[Plain], budget: str) -> int:
    """The setting with the lowest validation loss at the end of a budget; the first where none is finite."""
    return min(range(len(tries)), key=lambda i: value(tries[i]["curve"][budget][-1]))


def summed_up(told: Mapping[str, Plain], budgets: Sequence[str]) -> Plain:
    """{"loops": {name: {"outer", "refused", "cpu_s_per_1000_lives", "diverged", "skipped", "moved", "scores": {budget:
    ...}, "curves": {budget: ...}, "tries"}}, "best": {budget: name}, "scale": "ratio" | "difference"}.

    A score: mean held-out loss over seeds with Student's 95 % interval, and how it stands to the loop that is best on
    average, paired over seeds. Where every finite loss is positive both are taken of its logarithm: geometric means and
    ratios, for losses of seeds that differ by orders of magnitude. Else means and differences. A loop of which a seed
    ended with lives that blew up has no mean; where all have none, nobody is best (null)."""
    entered = {name: one for name, one in told.items() if not one["refused"]}
    losses = {
        b: {n: [value(run["heldout"][b]) for run in one["runs"][b]] for n, one in entered.items()}
        for b in budgets
    }
    marks = [
        value(m)
        for o in entered.values()
        for b in budgets
        for r in o["runs"][b]
        for m in r["curve"][b]
    ]
    ratio = all(
        x > 0
        for x in [*marks, *(x for found in losses.values() for own in found.values() for x in own)]
    )
    over = _over_seeds(ratio)
    best = {budget: _best(losses[budget], over) for budget in budgets}
    found: Plain = {
        name: {"outer": one["outer"], "refused": one["refused"]} for name, one in told.items()
    }
    for name, one in entered.items():
        runs = list(
            {
                (run["seed"], *run["hyper"].values()): run
                for b in budgets
                for run in one["runs"][b]
            }.values()
        )
        found[name] |= {
            "cpu_s_per_1000_lives": 1e3
            * sum(r["cpu_s"] for r in runs)
            / max(1e-9, sum(r["lives"] for r in runs)),
            **{key: sum(run[key] for run in runs) for key in ("diverged", "skipped")},
            "moved": all(run["moved"] for run in runs),
            "scores": {b: _score(one, losses[b][name], b, over) for b in budgets},
            "curves": {
                b: _curve([run["curve"][b] for run in one["runs"][b]], over) for b in budgets
            },
            "tries": one["tries"],
        }
        for b, reference in best.items():
            if reference is not None:
                apart = [
                    _apart(x, y, ratio)
                    for x, y in zip(losses[b][name], losses[b][reference], strict=True)
                ]
                found[name]["scores"][b]["to_best"] = _plain(over(apart))
    return {"loops": found, "best": best, "scale": "ratio" if ratio else "difference"}


def _best(losses: Mapping[str, list[float]], over: Over) -> str | None:
    means = {name: over(values).mean for name, values in losses.items()}
    name = min(means, key=lambda name: means[name])
    return name if math.isfinite(means[name]) else None


def _apart(x: float, y: float, ratio: bool) -> float:
    if not (math.isfinite(x) and math.isfinite(y)):
        return math.inf
    return x / y if ratio else x - y


def _over_seeds(ratio: bool) -> Over:
    """The mean with Student's interval; ratio: both of the logarithms. Infinite where a value is not finite."""

    def estimate(values: Sequence[float]) -> Estimate:
        if not all(math.isfinite(x) for x in values):
            return Estimate(math.inf, math.nan, math.nan, len(values))
        if not ratio:
            return student(values)
        mean, low, high, n = student([math.log(x) for x in values])
        return Estimate(math.exp(mean), math.exp(low), math.exp(high), n)

    return estimate


def _score(one: Plain, losses: list[float], budget: str, over: Over) -> Plain:
    ends = [run["heldout"][budget] for run in one["runs"][budget]]
    plain = {"hyper": one["tries"][one["chosen"][budget]]["hyper"], **_plain(over(losses))}
    plain |= {"values": [_number(x) for x in losses], "lives_judged": ends[0]["n"]}
    plain["steps"] = statistics.median(end["steps"] for end in ends)
    plain["not_finite"] = sum(end["not_finite"] for end in ends)
    if "accuracy" in ends[0]:
        plain["accuracy"] = _plain(
            student([math.nan if e["accuracy"] is None else e["accuracy"] for e in ends])
        )
    return plain


def _curve(courses: Sequence[Sequence[Plain]], over: Over) -> list[Plain]:
    """Marks averaged over seeds."""
    return [
        {
            "lives": sum(mark["lives"] for mark in marks) / len(marks),
            "cpu_s": sum(mark["cpu_s"] for mark in marks) / len(marks),
            **_plain(over([value(mark) for mark in marks])),
        }
        for marks in zip(*courses, strict=True)
    ]


def _plain(estimate: Estimate) -> Plain:
    return {
        "mean": _number(estimate.mean),
        "ci95": [_number(estimate.low), _number(estimate.high)],
        "n": estimate.n,
    }


def _number(x: float) -> float | None:
    return float(f"{x:.6g}") if math.isfinite(x) else None


def render(result: Plain) -> str:
    """One table per budget, best first; what the loops cost and what went wrong; who takes no part."""
    entered = {name: one for name, one in result["loops"].items() if not one["refused"]}
    parts = [_table(result, budget, entered) for budget in result["best"]]
    costs: list[tuple[str, ...]] = [
        ("loop", "CPU s per 1000 lives", "lives that blew up", "steps skipped", "")
    ]
    for name, one in entered.items():
        notes = [] if one["moved"] else ["theta never moved"]
        notes += [
            f"no step within the {UNITS[b]}"
            for b, score in one["scores"].items()
            if not score["steps"]
        ]
        counts = (str(one["diverged"]), str(one["skipped"]))
        costs.append((name, f"{one['cpu_s_per_1000_lives']:.3g}", *counts, ", ".join(notes)))
    parts.append(aligned(costs))
    parts += [
        f"{name} takes no part: {one['refused']}"
        for name, one in result["loops"].items()
        if one["refused"]
    ]
    n, tries = result["compare"]["seeds"], result["compare"]["tries"]
    judged = next(iter(entered.values()))["scores"][next(iter(result["best"]))]["lives_judged"]
    ratio = result["scale"] == "ratio"
    how = "geometric means and ratios" if ratio else "means and differences"
    parts.append(
        f"Loss: the objective on the same {judged} held-out lives; {how}, paired, over {n} training seeds, with 95 % "
        f"intervals of Student's t{' of logarithms' if ratio else ''}. Every loop was tuned: {tries} settings under "
        "the same budgets on one other seed, chosen on validation lives; its luck is in no interval. The best "
        "is best on these very lives, which favours it. blown: held-out lives that were not finite."
    )
    return "\n\n".join(parts)


def _table(result: Plain, budget: str, entered: Mapping[str, Plain]) -> str:
    ratio, best = result["scale"] == "ratio", result["best"][budget]
    sign, head = ("" if ratio else "+"), f"after {result['compare'][budget]:g} {UNITS[budget]}"
    against = f"{'over' if ratio else 'minus'} {best}" if best else "nobody is finite"
    lines: list[tuple[str, ...]] = [
        (head, "loss", INTERVAL, against, INTERVAL, "steps", "blown", "tuned to")
    ]
    for name in sorted(entered, key=lambda n: _sortable(entered[n]["scores"][budget]["mean"])):
        score = entered[name]["scores"][budget]
        gap = score.get("to_best") if name != best else None
        stands = (_cell(gap["mean"], sign), _interval(gap["ci95"], sign)) if gap else ("", "")
        tuned = " ".join(f"{key}={number:.3g}" for key, number in score["hyper"].items())
        counts = (f"{score['steps']:g}", str(score["not_finite"]))
        lines.append(
            (name, _cell(score["mean"]), _interval(score["ci95"]), *stands, *counts, tuned)
        )
    return aligned(lines)


def _sortable(mean: float | None) -> float:
    return math.inf if mean is None else mean


def _cell(number: float | None, sign: str = "") -> str:
    return "not finite" if number is None else f"{number:{sign}.4g}"


def _interval(pair: Sequence[float | None], sign: str = "") -> str:
    return "-" if None in pair else f"[{_cell(pair[0], sign)}, {_cell(pair[1], sign)}]"
