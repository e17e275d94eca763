"""What a comparison of outer loops says: scores under each budget, differences paired over seeds."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from metaplast.inspection.coefficients import student
from metaplast.inspection.statistics import Estimate
from metaplast.inspection.table import aligned

SCHEMA = "metaplast.compare/1"
Plain = dict[str, Any]
Over = Callable[[Sequence[float]], Estimate]
UNITS = {"lives": "lives", "cpu_s": "CPU seconds"}


def value(scored: Mapping[str, Any]) -> float:
    """The mean loss of a theta; infinite where one of its lives blew up."""
    return math.inf if scored["not_finite"] else scored["loss"]


def best_try(tries: Sequence[Plain], budget: str) -> int:
    """The setting with the lowest validation loss at the end of a budget; the first where none is finite."""
    return min(range(len(tries)), key=lambda i: value(tries[i]["curve"][budget][-1]))


def summed_up(told: Mapping[str, Plain], budgets: Sequence[str]) -> Plain:
    """{"loops": {name: {"outer", "refused", "compile_s", "cpu_s_per_1000_lives", "diverged", "scores": {budget: ...},
    "curves": {budget: ...}, "tries"}}, "best": {budget: name}, "scale": "ratio" | "difference"}.

    A score: mean held-out loss over seeds with Student's 95 % interval, and how it stands to the loop that is best on
    average, paired over seeds. Where every loss is positive both are taken of its logarithm: geometric means and
    ratios, for losses of seeds that differ by orders of magnitude. Else means and differences. Loops of which a seed
    ended with lives that blew up have no mean."""
    entered = {name: one for name, one in told.items() if not one["refused"]}
    losses = {
        b: {n: [value(run["heldout"][b]) for run in one["runs"][b]] for n, one in entered.items()} for b in budgets
    }
    marks = [value(m) for o in entered.values() for b in budgets for r in o["runs"][b] for m in r["curve"][b]]
    positive = all(x > 0 for x in [*marks, *(x for found in losses.values() for own in found.values() for x in own)])
    over = _over_seeds(ratio=positive)
    best = {b: min(losses[b], key=lambda name: over(losses[b][name]).mean) for b in budgets}
    found: Plain = {name: {"outer": one["outer"], "refused": one["refused"]} for name, one in told.items()}
    for name, one in entered.items():
        runs = list({(run["seed"], *run["hyper"].values()): run for b in budgets for run in one["runs"][b]}.values())
        found[name] |= {
            "compile_s": one["compile_s"],
            "cpu_s_per_1000_lives": 1e3 * sum(r["cpu_s"] for r in runs) / max(1e-9, sum(r["lives"] for r in runs)),
            "diverged": sum(run["diverged"] for run in runs),
            "scores": {b: _score(one, losses[b][name], b, over) for b in budgets},
            "curves": {b: _curve([run["curve"][b] for run in one["runs"][b]], over) for b in budgets},
            "tries": one["tries"],
        }
        for b in budgets:
            pairs = list(zip(losses[b][name], losses[b][best[b]], strict=True))
            apart = [(x / y if positive else x - y) if x != y else float(positive) for x, y in pairs]
            found[name]["scores"][b]["to_best"] = _plain(over(apart))
    return {"loops": found, "best": best, "scale": "ratio" if positive else "difference"}


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
    plain |= {"values": [_number(x) for x in losses], "steps": ends[0]["steps"], "lives_judged": ends[0]["n"]}
    plain["not_finite"] = sum(end["not_finite"] for end in ends)
    if "accuracy" in ends[0]:
        plain["accuracy"] = _plain(student([math.nan if e["accuracy"] is None else e["accuracy"] for e in ends]))
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
    return {"mean": _number(estimate.mean), "ci95": [_number(estimate.low), _number(estimate.high)], "n": estimate.n}


def _number(x: float) -> float | None:
    return float(f"{x:.6g}") if math.isfinite(x) else None


def render(result: Plain) -> str:
    """One table per budget, best first, and what was refused."""
    entered = {name: one for name, one in result["loops"].items() if not one["refused"]}
    ratio, sign = result["scale"] == "ratio", "" if result["scale"] == "ratio" else "+"
    parts = []
    for budget, best in result["best"].items():
        limit = result["compare"][budget]
        apart = f"over {best}" if ratio else f"minus {best}"
        head = (f"after {limit:g} {UNITS[budget]}", "loss", "95 % interval", apart, "95 % interval", "steps")
        lines: list[tuple[str, ...]] = [(*head, "blown", "tuned to")]
        ranked = sorted(entered, key=lambda n: _sortable(entered[n]["scores"][budget]["mean"]))
        for name in ranked:
            score = entered[name]["scores"][budget]
            gap = score["to_best"]
            stands = ("", "") if name == best else (_cell(gap["mean"], sign), _interval(gap["ci95"], sign))
            tuned = " ".join(f"{key}={number:.3g}" for key, number in score["hyper"].items())
            counts = (str(score["steps"]), str(score["not_finite"]))
            lines.append((name, _cell(score["mean"]), _interval(score["ci95"]), *stands, *counts, tuned))
        parts.append(aligned(lines))
    costs: list[tuple[str, ...]] = [("loop", "CPU s per 1000 lives", "CPU s to compile", "training lives that blew up")]
    for name, one in entered.items():
        costs.append((name, f"{one['cpu_s_per_1000_lives']:.3g}", f"{one['compile_s']:.1f}", str(one["diverged"])))
    parts.append(aligned(costs))
    parts += [f"{name} takes no part: {one['refused']}" for name, one in result["loops"].items() if one["refused"]]
    n, tries = result["compare"]["seeds"], result["compare"]["tries"]
    judged = next(iter(entered.values()))["scores"][next(iter(result["best"]))]["lives_judged"]
    how = "geometric means and ratios" if ratio else "means and differences"
    parts.append(
        f"Loss: the objective on the same {judged} held-out lives; {how}, paired, over {n} training seeds, with 95 % "
        f"intervals of Student's t{' of logarithms' if ratio else ''}. Every loop was tuned: {tries} settings under "
        "the same budgets on another seed, chosen on validation lives. blown: held-out lives that were not finite."
    )
    return "\n\n".join(parts)


def _sortable(mean: float | None) -> float:
    return math.inf if mean is None else mean


def _cell(number: float | None, sign: str = "") -> str:
    return "not finite" if number is None else f"{number:{sign}.4g}"


def _interval(pair: Sequence[float | None], sign: str = "") -> str:
    return "-" if None in pair else f"[{_cell(pair[0], sign)}, {_cell(pair[1], sign)}]"
