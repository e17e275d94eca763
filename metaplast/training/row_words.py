"""What is said of the rows of one or several runs, beside their scores: how the search went, and
whether it failed.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from metaplast.results import halving
from metaplast.results.table import failed
from metaplast.settings.names import DISCOVERED
from metaplast.training.judge import NOT_TRAINED, OVERFITTED, START

Plain = dict[str, Any]


def lines(summaries: Sequence[Plain], facts: Mapping[str, Plain]) -> list[str]:
    """A line for every row that failed, every search that got lost and led back, every start from
    another row.

    facts: of the rows, with the verdicts of all runs together.
    """
    told = []
    for name, fact in facts.items():
        verdict = fact.get("verdict")
        if verdict and failed(verdict):
            told.append(f"{name} is {why(verdict)}. To do: {verdict['do']}.")
    for name, fact in facts.items():
        if fact.get("from"):
            told.append(
                f"{name} starts from {fact['from']}: {fact['budget']} outer steps in all, with "
                f"those before it."
            )
    own = {name: fact for name, fact in facts.items() if fact.get("kind") != "reference"}
    unjudged = [name for name, fact in own.items() if fact["learned"] and not fact.get("verdict")]
    if unjudged:
        told.append(
            f"Not judged, for their scores on validation lives are not on record: "
            f"{', '.join(unjudged)}."
        )
    for summary in summaries:
        seed = f" (seed {summary['seed']})" if len(summaries) > 1 else ""
        told += [
            _lost(f"{name}{seed}", fact["search"])
            for name, fact in summary["rows"].items()
            if _falls(fact)
        ]
    return told


def on_dt(summaries: Sequence[Plain]) -> list[str]:
    """The line on what half of dt does to the searched row; none where it was not measured."""
    return halving.over_runs(
        {summary["seed"]: summary["halving"] for summary in summaries if "halving" in summary}
    )


def over_runs(summaries: Sequence[Plain]) -> dict[str, Plain]:
    """The facts on every row of several runs: those of the first, with the worst verdict of all;
    and of the searched one `too_long`, whether half of dt changed it in one."""
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
    """In what a row failed, without its name."""
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
    """`failed_in` so many of `runs`; None where a run has no verdict and none failed."""
    bad = [verdict for verdict in verdicts if verdict and failed(verdict)]
    ordered = [
        each for state in (NOT_TRAINED, OVERFITTED) for each in bad if each["state"] == state
    ]
    if not ordered:
        return verdicts[0] if all(verdicts) else None
    return {**ordered[0], "failed_in": len(bad), "runs": len(verdicts)}


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
