"""Words on the rows of one or several runs, beside their scores: the course of their search."""

from collections.abc import Mapping, Sequence
from typing import Any

from metaplast.results import halving
from metaplast.results.table import failed
from metaplast.settings.names import DISCOVERED
from metaplast.training.judge import NOT_TRAINED, OVERFITTED, START

Plain = dict[str, Any]


def lines(summaries: Sequence[Plain], facts: Mapping[str, Plain]) -> list[str]:
    """A line for every search that failed, that got lost, or that started from another row.

    Args:
        summaries: the summary.json of every run.
        facts: {row: facts}, with the verdicts of all runs together.
    """
    words = []
    for name, fact in facts.items():
        verdict = fact.get("verdict")
        if verdict and failed(verdict):
            words.append(f"{name} is {why(verdict)}. To do: {verdict['do']}.")
    for name, fact in facts.items():
        if fact.get("from"):
            words.append(
                f"{name} starts from {fact['from']}: {fact['budget']} outer steps in all, with "
                f"those before it."
            )
    unjudged = [name for name, fact in facts.items() if _is_unjudged(fact)]
    if unjudged:
        words.append(
            f"Not judged, for their scores on validation lives are not on record: "
            f"{', '.join(unjudged)}."
        )
    for summary in summaries:
        seed = f" (seed {summary['seed']})" if len(summaries) > 1 else ""
        for name, fact in summary["rows"].items():
            if _falls(fact):
                words.append(_lost(f"{name}{seed}", fact["search"]))
    return words


def _is_unjudged(fact: Plain) -> bool:
    """Whether a row of a search has no verdict, although it learns something."""
    return fact.get("kind") != "reference" and fact["learned"] and not fact.get("verdict")


def on_dt(summaries: Sequence[Plain]) -> list[str]:
    """The line on the effect of half of dt on the searched row; none where it was not measured."""
    measured = {}
    for summary in summaries:
        if "halving" in summary:
            measured[summary["seed"]] = summary["halving"]
    return halving.over_runs(measured)


def over_runs(summaries: Sequence[Plain]) -> dict[str, Plain]:
    """{row: facts} of several runs: the facts of the first run, with the worst verdict of all.

    The searched row has `too_long` where half of dt changed the result of some run.
    """
    first = dict(summaries[0]["rows"])
    if any(halving.too_long(summary.get("halving", {})) for summary in summaries):
        first[DISCOVERED] = {**first[DISCOVERED], "too_long": True}
    if len(summaries) == 1:
        return first
    merged = {}
    for name, fact in first.items():
        verdicts = [summary["rows"][name].get("verdict") for summary in summaries]
        merged[name] = {**fact, "verdict": _worst(verdicts)}
    return merged


def why(verdict: Plain) -> str:
    """The failure of a row in words, without its name."""
    split = "validation" if verdict["split"] == "validation" else "held-out"
    against = verdict["against"]
    other = "its own start" if against == START else f"{against}, whose family it contains"
    runs = f" (so in {verdict['failed_in']} of {verdict['runs']} runs)" if "runs" in verdict else ""
    if verdict["difference"] is None:
        return f"{verdict['state']}: more of its {split} lives are not finite than of {other}{runs}"
    low, high = verdict["interval"]
    side = "below" if verdict["difference"] < 0 else "above"
    size = f"{abs(verdict['difference']):.3g} {side} that of {other}"
    interval = f"99.9 % interval of the difference [{low:+.3g}, {high:+.3g}]"
    return (
        f"{verdict['state']}: its {verdict['metric']} on {split} lives is {size}; {interval}{runs}"
    )


def _worst(verdicts: Sequence[Plain | None]) -> Plain | None:
    """The worst verdict on a row of several runs.

    `failed_in` of its `runs` runs failed. None where no run failed and some run has no verdict.
    """
    bad = [verdict for verdict in verdicts if verdict and failed(verdict)]
    for state in (NOT_TRAINED, OVERFITTED):
        for verdict in bad:
            if verdict["state"] == state:
                return {**verdict, "failed_in": len(bad), "runs": len(verdicts)}
    return verdicts[0] if all(verdicts) else None


def _falls(fact: Plain) -> int:
    return fact.get("search", {}).get("falls", 0)


def _lost(name: str, search: Plain) -> str:
    times = "once" if search["falls"] == 1 else f"{search['falls']} times"
    steps = ", ".join(map(str, search["fell_at"]))
    scale = f"{search['step_scale']:.3g}"
    return (
        f"{name}: its search got lost {times} (outer steps {steps}) and was led back; "
        f"its last steps were {scale} as large."
    )
