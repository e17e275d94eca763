"""The comparison of outer loops: scores under each budget, paired over seeds, and their text."""

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from metaplast.results.loop_comparison import (
    ContestSettings,
    CurvePoint,
    EnteredLoop,
    LoopComparison,
    LoopScore,
    LoopTraining,
    LoopTrainings,
    RefusedLoop,
    ScoredMark,
)
from metaplast.results.numbers import interval, json_list, number, rounded
from metaplast.results.statistics import Estimate, student
from metaplast.results.table import INTERVAL, aligned
from metaplast.results.typed_json import Plain

Over = Callable[[Sequence[float]], Estimate]
Losses = dict[str, list[float]]  # loop -> held-out loss of every seed
UNITS = {"lives": "lives", "cpu_s": "CPU seconds"}


class Experiment(NamedTuple):
    """The experiment on which loops are compared: its name, its seed, and how it is done."""

    name: str
    seed: int
    settings: ContestSettings


class LoopRecord(NamedTuple):
    """One outer loop in a comparison.

    outer: the loop as a config gives it.
    refused: the reason why it takes no part, or an empty string.
    trainings: None where it takes no part.
    """

    outer: Plain
    refused: str
    trainings: LoopTrainings | None


def best_try(tries: Sequence[LoopTraining], budget: str) -> int:
    """The setting with the lowest validation loss at the end of a budget.

    The first setting where no loss is finite.
    """
    return min(range(len(tries)), key=lambda i: tries[i].curve[budget][-1].whole_loss)


def compared(
    experiment: Experiment, records: Mapping[str, LoopRecord], budgets: Sequence[str]
) -> LoopComparison:
    """The scores, curves and costs of every loop.

    A score is the mean held-out loss over seeds with Student's 95 % interval, and the difference to
    the loop that is best on average, paired over seeds. Where every finite loss is positive, both
    are taken of its logarithm: geometric means and ratios, for losses of seeds that differ by
    orders of magnitude. Else they are means and differences. A loop of which a seed ended with
    lives that blew up has no mean. Where all have none, no loop is best.

    Args:
        experiment: on which they are compared.
        records: {loop: its trainings}.
        budgets: the names of the budgets.
    """
    entered = {}
    for name, record in records.items():
        if record.trainings is not None:
            entered[name] = record.trainings
    losses = {}
    for budget in budgets:
        losses[budget] = _losses(entered, budget)
    ratio = _all_positive(entered, losses)
    over = _over_seeds(ratio)
    best = {}
    for budget in budgets:
        best[budget] = _best(losses[budget], over)
    loops: dict[str, EnteredLoop | RefusedLoop] = {}
    for name, record in records.items():
        if record.trainings is None:
            loops[name] = RefusedLoop(record.outer, record.refused)
            continue
        trainings = record.trainings
        costs = _costs(trainings, budgets)
        scores = {}
        curves = {}
        for budget in budgets:
            curves[budget] = _curve(trainings.curves(budget), over)
            score = _score(trainings, losses[budget][name], budget, over)
            reference = best[budget]
            if reference is not None:
                gap = _gap(losses[budget][name], losses[budget][reference], ratio)
                score = replace(score, to_best=rounded(over(gap)))
            scores[budget] = score
        loops[name] = EnteredLoop(
            outer=record.outer,
            cpu_s_per_1000_lives=costs.cpu_s_per_1000_lives,
            diverged=costs.diverged,
            skipped=costs.skipped,
            moved=costs.moved,
            scores=scores,
            curves=curves,
            tries=trainings.tries,
        )
    return LoopComparison(
        experiment=experiment.name,
        seed=experiment.seed,
        settings=experiment.settings,
        loops=loops,
        best=best,
        scale="ratio" if ratio else "difference",
    )


def _losses(entered: Mapping[str, LoopTrainings], budget: str) -> Losses:
    """The held-out loss of every loop and seed at the end of a budget."""
    losses = {}
    for name, trainings in entered.items():
        losses[name] = [mark.whole_loss for mark in trainings.at_ends(budget)]
    return losses


def _all_positive(entered: Mapping[str, LoopTrainings], losses: Mapping[str, Losses]) -> bool:
    """Whether every loss, held out or on the way, has a logarithm."""
    for budget, by_loop in losses.items():
        for name, values in by_loop.items():
            on_the_way = []
            for marks in entered[name].curves(budget):
                on_the_way += [mark.whole_loss for mark in marks]
            if any(not loss > 0 for loss in [*values, *on_the_way]):
                return False
    return True


class _Costs(NamedTuple):
    """CPU time, lives and steps lost, of all judged trainings of a loop."""

    cpu_s_per_1000_lives: float
    diverged: int
    skipped: int
    moved: bool


def _costs(trainings: LoopTrainings, budgets: Sequence[str]) -> _Costs:
    """The costs of a loop; a training that serves several budgets counts once."""
    distinct = {}
    for budget in budgets:
        for seed, training in trainings.runs[budget]:
            distinct[(seed, *training.hyper.values())] = training
    judged = list(distinct.values())
    cpu_s = sum(training.cpu_s for training in judged)
    lives = sum(training.lives for training in judged)
    return _Costs(
        cpu_s_per_1000_lives=1e3 * cpu_s / max(1e-9, lives),
        diverged=sum(training.diverged for training in judged),
        skipped=sum(training.skipped for training in judged),
        moved=all(training.moved for training in judged),
    )


def _best(losses: Losses, over: Over) -> str | None:
    means = {name: over(values).mean for name, values in losses.items()}
    name = min(means, key=lambda name: means[name])
    if math.isfinite(means[name]):
        return name
    return None


def _gap(losses: Sequence[float], reference: Sequence[float], ratio: bool) -> list[float]:
    """Seed by seed: loss / reference, or loss - reference; infinite where one is not finite."""
    gaps = []
    for x, y in zip(losses, reference, strict=True):
        if not (math.isfinite(x) and math.isfinite(y)):
            gaps.append(math.inf)
        elif ratio:
            gaps.append(x / y)
        else:
            gaps.append(x - y)
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


def _score(trainings: LoopTrainings, losses: list[float], budget: str, over: Over) -> LoopScore:
    ends = trainings.at_ends(budget)
    loss = rounded(over(losses))
    accuracies = []
    for end in ends:
        if end.accuracy is not None:
            accuracies.append(end.accuracy)
    accuracy = None
    if accuracies:
        accuracy = rounded(student(accuracies))
    return LoopScore(
        hyper=trainings.tries[trainings.chosen[budget]].hyper,
        mean=loss.mean,
        ci95=loss.ci95,
        n=loss.n,
        values=json_list(losses),
        lives_judged=ends[0].n,
        steps=statistics.median(end.steps for end in ends),
        not_finite=sum(end.not_finite for end in ends),
        accuracy=accuracy,
    )


def _curve(curves: Sequence[Sequence[ScoredMark]], over: Over) -> list[CurvePoint]:
    """The marks of a curve, averaged over seeds."""
    points = []
    for marks in zip(*curves, strict=True):
        losses = []
        lives = []
        cpu_s = []
        for mark in marks:
            losses.append(mark.whole_loss)
            lives.append(mark.lives)
            cpu_s.append(mark.cpu_s)
        loss = rounded(over(losses))
        points.append(
            CurvePoint(
                lives=sum(lives) / len(marks),
                cpu_s=sum(cpu_s) / len(marks),
                mean=loss.mean,
                ci95=loss.ci95,
                n=loss.n,
            )
        )
    return points


def render(comparison: LoopComparison) -> str:
    """The comparison as text.

    One table per budget, best first; a table of costs and of what went wrong; the loops that take
    no part; how losses are judged.
    """
    parts = []
    for budget in comparison.best:
        parts.append(aligned(score_lines(comparison, budget)))
    parts.append(aligned(cost_lines(comparison.entered)))
    for name, loop in comparison.refused.items():
        parts.append(f"{name} takes no part: {loop.refused}")
    parts.append(method(comparison))
    return "\n\n".join(parts)


def cost_lines(entered: Mapping[str, EnteredLoop]) -> list[tuple[str, ...]]:
    """The table of costs and of what went wrong: its head, and a line per loop."""
    head = ("loop", "CPU s per 1000 lives", "lives not finite", "steps skipped", "")
    lines: list[tuple[str, ...]] = [head]
    for name, loop in entered.items():
        notes = ["theta never moved"]
        if loop.moved:
            notes = []
        for budget, score in loop.scores.items():
            if not score.steps:
                notes.append(f"no step within the {UNITS[budget]}")
        cpu_s = f"{loop.cpu_s_per_1000_lives:.3g}"
        lines.append((name, cpu_s, str(loop.diverged), str(loop.skipped), ", ".join(notes)))
    return lines


def method(comparison: LoopComparison) -> str:
    """The way in which losses are judged and loops are tuned, in words."""
    n = comparison.settings.seeds
    tries = comparison.settings.tries
    first_budget = next(iter(comparison.best))
    first_loop = next(iter(comparison.entered.values()))
    judged = first_loop.scores[first_budget].lives_judged
    how = "means and differences"
    if comparison.is_ratio:
        how = "geometric means and ratios"
    logarithms = ""
    if comparison.is_ratio:
        logarithms = " of logarithms"
    return (
        f"Loss: the objective on the same {judged} held-out lives; {how}, paired, over {n} "
        f"training seeds, with 95 % intervals of Student's t{logarithms}. Every loop was tuned: "
        f"settings tried: {tries}, under the same budgets on one other seed, by validation lives; "
        "its luck is in no interval. The best is best on these very lives, which favours it. "
        "not finite: held-out lives without a finite loss."
    )


def score_lines(comparison: LoopComparison, budget: str) -> list[tuple[str, ...]]:
    """The table of scores after a budget, best first: its head, and a line per loop."""
    best = comparison.best[budget]
    form = "+.4g"
    if comparison.is_ratio:
        form = ".4g"
    head = f"after {comparison.settings.budget(budget):g} {UNITS[budget]}"
    against = "nobody is finite"
    if best is not None:
        against = f"over {best}" if comparison.is_ratio else f"minus {best}"
    lines: list[tuple[str, ...]] = [
        (head, "loss", INTERVAL, against, INTERVAL, "steps", "not finite", "tuned to")
    ]
    scores = {name: loop.scores[budget] for name, loop in comparison.entered.items()}
    for name in sorted(scores, key=lambda name: _sortable(scores[name].mean)):
        score = scores[name]
        gap = None
        if name != best:
            gap = score.to_best
        setting = [f"{key}={value:.3g}" for key, value in score.hyper.items()]
        over_best = ""
        over_best_interval = ""
        if gap is not None:
            over_best = number(gap.mean, form)
            over_best_interval = _interval(gap.ci95, form)
        lines.append(
            (
                name,
                number(score.mean),
                _interval(score.ci95),
                over_best,
                over_best_interval,
                f"{score.steps:g}",
                str(score.not_finite),
                " ".join(setting),
            )
        )
    return lines


def _sortable(mean: float | None) -> float:
    if mean is None:
        return math.inf
    return mean


def _interval(bounds: Sequence[float | None], form: str = ".4g") -> str:
    if None in bounds:
        return "-"
    return interval(bounds, form)
