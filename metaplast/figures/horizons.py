"""The figure of stability: longer and shorter lives, other widths, and the drift of a weight."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from metaplast.figures.section import Figure, Folded, PagePart, Section, Table
from metaplast.figures.style import OTHERS, OURS, PALETTE, hide, save, subplots
from metaplast.inspection.horizons import Drift, Horizons, Reached
from metaplast.results.numbers import interval, json_list, json_number, number, share
from metaplast.results.statistics import Estimate

_TITLE = "Stability: longer lives, other widths, fixed points"
_HEAD = (
    *("lives", "steps that learn", "score", "mean |w|, birth to end", "largest |w|"),
    *("at a bound", "silent", "saturated", "diverged"),
)


def part(
    horizons: Horizons,
    widths: Horizons,
    drifts: Mapping[str, Drift],
    metric: str,
    larger_is_better: bool,
    folder: Path,
) -> PagePart:
    """The stability of a rule.

    Args:
        horizons: lives of other lengths.
        widths: lives in networks of other widths.
        drifts: {edge: mean change of a weight over the weight}.
        metric: the name of the score.
        larger_is_better: whether a larger score is better.
        folder: of the picture.
    """
    path = folder / "stability.svg"
    draw(horizons, drifts, metric, path)
    caption = (
        "Score and mean size of the weights over the length of a life (1: as searched); bars: 95 % "
        "intervals over lives. Then the mean change of a weight at visited signals, over the "
        "weight."
    )
    figure = Figure(path, _alt(horizons, metric), caption)
    words = [
        *_words_on_lives(horizons, metric, larger_is_better),
        *_words_on_widths(widths, metric),
        *_words_on_drift(drifts),
    ]
    tables = [_table("Lives of other lengths; nothing was searched anew", horizons)]
    if widths.reached:
        tables.append(_table("Networks of other widths; nothing was searched anew", widths))
    fold = Folded("All numbers: weights, bounds, idle units", tables=tables)
    numbers = {
        "metric": metric,
        "horizons": _plain(horizons),
        "widths": _plain(widths),
        "drift": {edge: _plain_drift(drift) for edge, drift in drifts.items()},
    }
    return PagePart(Section(_TITLE, words, figures=[figure], folded=[fold]), numbers)


def draw(horizons: Horizons, drifts: Mapping[str, Drift], metric: str, path: Path) -> None:
    """Draw the score, the size of weights, and the drift of each edge."""
    n = 2 + len(drifts)
    n_columns = min(n, 3)
    if n == 4:
        n_columns = 2
    n_rows = -(-n // n_columns)
    figure, grid = subplots(
        n_rows, n_columns, figsize=(4.0 * n_columns, 3.0 * n_rows), layout="constrained"
    )
    panels = list(grid.reshape(-1))
    factors = [reached.factor for reached in horizons.reached]
    _bars(panels[0], factors, [reached.score for reached in horizons.reached], OURS, metric)
    panels[0].set_ylabel(metric, fontsize=9)
    if horizons.reached:
        for index, edge in enumerate(horizons.reached[0].mean_weight):
            sizes = [reached.mean_weight[edge] for reached in horizons.reached]
            _bars(panels[1], factors, sizes, PALETTE[index % len(PALETTE)], edge)
            birth = horizons.reached[0].mean_at_birth[edge]
            panels[1].axhline(birth, color=OTHERS, lw=0.8, ls=":")
        panels[1].legend(fontsize=8)
    panels[1].set_ylabel("mean |w| at the end (dots: at birth)", fontsize=9)
    for axes in panels[:2]:
        axes.set_xscale("log", base=2)
        axes.set_xticks(factors, [f"{factor:g}" for factor in factors])
        axes.set_xlabel("length of a life (1: as searched)", fontsize=9)
    for axes, (edge, drift) in zip(panels[2:], drifts.items(), strict=False):
        axes.axhline(0.0, color=OTHERS, lw=0.8)
        axes.plot(drift.weights, drift.mean, color=OURS)
        for weight, slope in drift.fixed_points:
            filled = OURS if slope < 0 else "white"
            axes.plot([weight], [0.0], "o", color=OURS, markerfacecolor=filled)
        axes.set_title(f"{edge} (filled: stable)", fontsize=9)
        axes.set_xlabel("weight", fontsize=9)
        axes.set_ylabel("mean change per step", fontsize=9)
    hide(panels[n:])
    save(figure, path)


def _bars(axes: Any, x: list[float], estimates: list[Estimate], colour: str, label: str) -> None:
    means = [estimate.mean for estimate in estimates]
    below = [estimate.mean - estimate.low for estimate in estimates]
    above = [estimate.high - estimate.mean for estimate in estimates]
    axes.errorbar(x, means, yerr=[below, above], marker="o", capsize=3, color=colour, label=label)


def _words_on_lives(horizons: Horizons, metric: str, larger_is_better: bool) -> list[str]:
    words = []
    searched = [reached for reached in horizons.reached if reached.factor == 1]
    for reached in horizons.reached:
        if reached.factor == 1 or not searched:
            continue
        before = searched[0].score
        after = reached.score
        words.append(
            f"Lives of {reached.factor:g} times the length ({reached.setting}): {metric} "
            f"{_estimate(after)}, {_compared(before, after, larger_is_better)} "
            f"({_estimate(before)} as searched); {reached.n_lives} lives, {reached.diverged} "
            "diverged."
        )
        for edge, size in reached.mean_weight.items():
            growth = size.mean / max(searched[0].mean_weight[edge].mean, 1e-300)
            if growth > 2 or growth < 0.5:
                words.append(
                    f"There the mean |w| of {edge} is {number(growth, '.3g')} times that of a life "
                    f"as searched, and {share(reached.at_bound)} of all plastic synapses end at a "
                    "bound."
                )
    for factor, why in horizons.refused.items():
        words.append(f"Not lived at {factor:g} times the length: {why}")
    return words


def _compared(before: Estimate, after: Estimate, larger_is_better: bool) -> str:
    """The comparison of a score with the one of lives as searched."""
    if abs(after.mean - before.mean) <= 0.01 * abs(before.mean):
        return "the same within 1 %"
    if after.low <= before.high and before.low <= after.high:
        return "not clearly other, since intervals overlap"
    if (after.mean > before.mean) == larger_is_better:
        return "better"
    return "worse"


def _words_on_widths(widths: Horizons, metric: str) -> list[str]:
    words = []
    for reached in widths.reached:
        if reached.factor != 1:
            words.append(
                f"{reached.factor:g} times the hidden width ({reached.setting}): {metric} "
                f"{_estimate(reached.score)} over {reached.n_lives} lives."
            )
    for why in dict.fromkeys(widths.refused.values()):
        words.append(f"Other widths: {why}.")
    return words


def _words_on_drift(drifts: Mapping[str, Drift]) -> list[str]:
    words = []
    for edge, drift in drifts.items():
        state = ""
        if drift.stateful:
            state = ", in the first step from the rule's state at birth"
        if not drift.fixed_points:
            fixed_points = "has no fixed point in the range of visited weights"
        else:
            points = []
            for weight, slope in drift.fixed_points:
                kind = "stable" if slope < 0 else "unstable"
                points.append(f"{number(weight, '.3g')} ({kind})")
            fixed_points = "is 0 at a weight of " + ", ".join(points)
        words.append(
            f"{edge}: the mean change of one weight at visited signals{state} {fixed_points}; "
            f"its mean slope over the weight is {number(drift.slope, '.3g')} per step "
            f"({drift.n} visits)."
        )
    if drifts:
        words.append(
            "The signals are held as visited, so this is about one small synapse and no proof "
            "about the network."
        )
    return words


def _estimate(estimate: Estimate) -> str:
    return f"{number(estimate.mean, '.4g')} {interval([estimate.low, estimate.high], '.4g')}"


def _table(caption: str, horizons: Horizons) -> Table:
    rows = []
    for reached in horizons.reached:
        sizes = []
        largest = []
        for edge, size in reached.mean_weight.items():
            birth = number(reached.mean_at_birth[edge], ".3g")
            sizes.append(f"{edge} {birth} to {number(size.mean, '.3g')}")
            largest.append(f"{edge} {number(reached.largest_weight[edge].mean, '.3g')}")
        rows.append(
            (
                f"x {reached.factor:g} ({reached.setting})",
                str(reached.n_steps),
                _estimate(reached.score),
                "; ".join(sizes),
                "; ".join(largest),
                share(reached.at_bound),
                _shares(reached.silent),
                _shares(reached.saturated),
                f"{reached.diverged} of {reached.n_lives}",
            )
        )
    return Table(caption, _HEAD, rows)


def _shares(of_populations: Mapping[str, float]) -> str:
    return "; ".join(f"{name} {share(value)}" for name, value in of_populations.items()) or "-"


def _alt(horizons: Horizons, metric: str) -> str:
    words = []
    for reached in horizons.reached:
        words.append(f"x {reached.factor:g}: {number(reached.score.mean, '.4g')}")
    return f"{metric} over the length of a life: " + ", ".join(words)


def _plain(horizons: Horizons) -> dict[str, Any]:
    reached = [_plain_reached(each) for each in horizons.reached]
    refused = {f"{factor:g}": why for factor, why in horizons.refused.items()}
    return {"reached": reached, "refused": refused}


def _plain_reached(reached: Reached) -> dict[str, Any]:
    weights = {}
    for edge, size in reached.mean_weight.items():
        weights[edge] = {
            "mean_at_birth": json_number(reached.mean_at_birth[edge]),
            "mean_at_end": json_list(size),
            "largest_at_end": json_list(reached.largest_weight[edge]),
        }
    return {
        "factor": reached.factor,
        "setting": reached.setting,
        "plastic_steps": reached.n_steps,
        "score": json_list(reached.score),
        "weights": weights,
        "at_bound": json_number(reached.at_bound),
        "silent": {name: json_number(value) for name, value in reached.silent.items()},
        "saturated": {name: json_number(value) for name, value in reached.saturated.items()},
        "diverged": reached.diverged,
        "lives": reached.n_lives,
    }


def _plain_drift(drift: Drift) -> dict[str, Any]:
    return {
        "weights": json_list(drift.weights),
        "mean_change": json_list(drift.mean),
        "fixed_points": [json_list(point) for point in drift.fixed_points],
        "slope": json_number(drift.slope),
        "visits": drift.n,
        "first_step_of_state": drift.stateful,
    }
