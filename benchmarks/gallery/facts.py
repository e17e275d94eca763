"""The numbers of a run as words: what a text of benchmarks/gallery.yaml may name.

Of every run: `config` and its parts `task`, `network`, `outer`.
Of a training: `n` held-out lives, `score[ROW]`, `than[ROW]`, the claim of `claim`, `term[TERM]`,
and `chosen`, the outer step whose theta validation lives chose.
Of a fit: `heldout`, `explained[NULL]`, `than[ROW]`, `number[NAME]`, and `doubts`, the count of
reasons against it that the fit names.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.gallery.finished import Finished
from benchmarks.gallery.words import Entry
from metaplast.results.changed_world import better_by
from metaplast.results.numbers import Bounds, RoundedEstimate, number
from metaplast.runs.job import Config
from metaplast.settings.names import DISCOVERED

SMALL, LARGE = 1e-4, 1e3
"""Numbers between these are written as decimals."""


def facts_of(run: Finished, entry: Entry) -> dict[str, Any]:
    """{name in a text: its words}."""
    facts = parts_of(run.job.main)
    if run.summary is not None:
        return facts | _of_training(run, entry)
    return facts | _of_fit(run, entry)


def parts_of(config: Config) -> dict[str, Any]:
    """A config and its parts."""
    return {
        "config": config,
        "task": config.task,
        "network": config.network,
        "outer": config.outer,
    }


def with_interval(
    mean: float | None, bounds: Sequence[float | None], form: str = "", joint: str = " ("
) -> str:
    """`0.959 (0.956 to 0.962)`.

    Args:
        mean: of the values.
        bounds: the 95 % interval.
        form: of the numbers; empty: the one that `form_of` gives.
        joint: what stands between the mean and the interval.
    """
    form = form or form_of(mean, bounds)
    low, high = bounds
    text = f"{number(mean, form)}{joint}{number(low, form)} to {number(high, form)}"
    return f"{text})" if "(" in joint else text


def form_of(mean: float | None, bounds: Sequence[float | None]) -> str:
    """Three digits of the largest number, as decimals where there are not too many of them."""
    largest = max((abs(value) for value in (mean, *bounds) if value is not None), default=1.0)
    if not SMALL <= largest < LARGE:
        return ".3g"
    return f".{2 - math.floor(math.log10(largest))}f"


def claim(gain: float | None, bounds: Bounds, words: str) -> str:
    """The words of a paired gain: better, worse or not told apart, with its interval.

    Args:
        gain: by how much the rule is better; negative where it is worse.
        bounds: the 95 % interval of the gain.
        words: the other row.
    """
    low, high = bounds
    if gain is None or low is None or high is None:
        return f"not compared with *{words}*, of which lives are not finite"
    if low <= 0.0 <= high:
        gained = with_interval(gain, bounds, joint=", ")
        return f"not told apart from *{words}* (gain {gained})"
    if gain > 0.0:
        return f"better than *{words}* by {with_interval(gain, bounds)}"
    return f"worse than *{words}* by {with_interval(-gain, (-high, -low))}"


def _of_training(run: Finished, entry: Entry) -> dict[str, Any]:
    scores = run.scores
    score = {}
    than = {}
    for name, of_row in scores.items():
        score[name] = with_interval(of_row.mean, of_row.ci95)
        gain = better_by(of_row)
        than[name] = claim(gain.mean, gain.ci95, entry.rows.get(name, name))
    facts: dict[str, Any] = {
        "n": scores[DISCOVERED].n,
        "score": score,
        "than": than,
    }
    of_search = run.training.trained_rows[DISCOVERED].search
    if of_search is not None:
        facts["chosen"] = of_search.chosen_step
    rule = run.training.rule
    if rule is not None:
        facts["term"] = _terms(rule.terms)
    return facts


def _terms(slots: Mapping[str, Mapping[str, float]]) -> dict[str, str]:
    """{term: its coefficient in the first slot that has it}."""
    terms: dict[str, str] = {}
    for values in slots.values():
        for term, value in values.items():
            terms.setdefault(term, f"{value:.4g}")
    return terms


def _of_fit(run: Finished, entry: Entry) -> dict[str, Any]:
    fit = run.fitted
    found = fit.discovered
    explained = {null: _share(share) for null, share in found.explained.items()}
    than = {}
    for name, row in fit.rows.items():
        lead = row.comparison.lead
        low, high = lead.ci95
        if lead.mean is not None and low is not None and high is not None:
            words = entry.rows.get(name, name)
            than[name] = claim(-lead.mean, Bounds(-high, -low), words)
    count = next(iter(found.explained.values())).n
    return {
        "heldout": f"{count} held-out {fit.data.heldout_by}",
        "explained": explained,
        "than": than,
        "number": _numbers(run),
        "doubts": _reasons(len(fit.doubts)),
    }


def _reasons(n: int) -> str:
    if n == 1:
        return "1 reason"
    return f"{n} reasons"


def _share(share: RoundedEstimate) -> str:
    return with_interval(share.mean, share.ci95)


def _numbers(run: Finished) -> dict[str, str]:
    """{number of the rule: its value with its interval, and the true one where it is known}."""
    fit = run.fitted
    true = {one.name: one.true for one in fit.truth or []}
    words = {}
    for name, value in fit.discovered.numbers.items():
        words[name] = number(value, ".3g")
        bounds = fit.number_bounds.get(name)
        if bounds is not None and bounds.low is not None:
            words[name] = with_interval(value, bounds, ".3g")
        if name in true:
            words[name] += f", true {number(true[name], '.3g')}"
    return words
