"""Words on the rows of one or several runs, beside their scores: the course of their search."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from metaplast.results import halving
from metaplast.results.summary import Halving, RunSummary, SearchRecord, TrainedRow, Verdict
from metaplast.results.table import RowFacts, failed
from metaplast.runs.job import Config
from metaplast.settings.names import DISCOVERED
from metaplast.training.judge import NOT_TRAINED, OVERFITTED, START

LOUDER = 20
"""Factor by which first weights are made larger where a population is silent."""
SILENT = "silent_"
"""Of the share of a population's units that is silent, in `TrainedRow.units`."""


def lines(summaries: Sequence[RunSummary], facts: Mapping[str, RowFacts]) -> list[str]:
    """A line for every search that failed, that got lost, or that started from another row.

    Args:
        summaries: of the runs.
        facts: {row: facts}, with the verdicts of all runs together.
    """
    trained = {}
    for name, of_row in facts.items():
        if isinstance(of_row.row, TrainedRow):
            trained[name] = of_row.row
    words = []
    for name, row in trained.items():
        if row.verdict is not None and failed(row.verdict):
            words.append(f"{name} is {why(row.verdict)}. To do: {row.verdict.do}.")
    for name, row in trained.items():
        if row.origin:
            words.append(
                f"{name} starts from {row.origin}: {row.budget} outer steps in all, with "
                f"those before it."
            )
    unjudged = []
    for name, row in trained.items():
        if row.learned and row.verdict is None:
            unjudged.append(name)
    if unjudged:
        words.append(
            f"Not judged, for their scores on validation lives are not on record: "
            f"{', '.join(unjudged)}."
        )
    for summary in summaries:
        seed = f" (seed {summary.seed})" if len(summaries) > 1 else ""
        for name, row in summary.trained_rows.items():
            if row.search is not None and row.search.falls:
                words.append(_lost(f"{name}{seed}", row.search))
    return words


def on_dt(summaries: Sequence[RunSummary]) -> list[str]:
    """The line on the effect of half of dt on the searched row; none where it was not measured."""
    results = {}
    for summary in summaries:
        if summary.halving is not None:
            results[summary.seed] = summary.halving
    return halving.over_runs(results)


def over_runs(summaries: Sequence[RunSummary]) -> dict[str, RowFacts]:
    """{row: facts} of several runs: the facts of the first run, with the worst verdict of all.

    The searched row is marked `too_long` by what half of dt changed in any run.
    """
    changed: dict[str, None] = {}
    for summary in summaries:
        if isinstance(summary.halving, Halving):
            changed |= dict.fromkeys(summary.halving.changed)
    facts = {}
    for name, row in summaries[0].rows.items():
        if len(summaries) > 1 and isinstance(row, TrainedRow):
            verdicts = [summary.trained_rows[name].verdict for summary in summaries]
            row = replace(row, verdict=_worst(verdicts))
        too_long = list(changed) if name == DISCOVERED else []
        silent = _silent(name, summaries)
        of_row = RowFacts(row, too_long=too_long, silent=silent)
        if isinstance(row, TrainedRow) and _is_void(row, silent):
            of_row = RowFacts(row, too_long=too_long, dead=silent)
        facts[name] = of_row
    return facts


def louder(config: Config) -> str:
    """The word of a config that makes first weights LOUDER times as large; "" where none does."""
    gain = getattr(config.network, "gain", None)  # that of a plug-in may be anything
    if isinstance(gain, int | float) and gain > 0:
        return f"network.gain={LOUDER * gain:g}"
    return ""


def _is_void(row: TrainedRow, silent: Sequence[str]) -> bool:
    """Whether nothing is heard of a row: its output is silent, or every spiking population."""
    return row.output in silent or (bool(row.spiking) and set(row.spiking) <= set(silent))


def _silent(name: str, summaries: Sequence[RunSummary]) -> list[str]:
    """The spiking populations of a row without a spike in any held-out life of any run."""
    in_each = []
    for summary in summaries:
        row = summary.rows[name]
        silent = set()
        if isinstance(row, TrainedRow) and row.faults.get("dead"):
            is_every_life = row.faults["dead"] == summary.scores[0].n
            for population in row.spiking:
                if is_every_life and row.units.get(f"{SILENT}{population}", 0.0) >= 1.0:
                    silent.add(population)
        in_each.append(silent)
    return sorted(set.intersection(*in_each))


def why(verdict: Verdict) -> str:
    """The failure of a row in words, without its name."""
    split = "validation" if verdict.split == "validation" else "held-out"
    other = f"{verdict.against}, whose family it contains"
    if verdict.against == START:
        other = "its own start"
    runs = ""
    if verdict.runs is not None:
        runs = f" (so in {verdict.failed_in} of {verdict.runs} runs)"
    if verdict.difference is None or verdict.interval is None:
        return f"{verdict.state}: more of its {split} lives are not finite than of {other}{runs}"
    low, high = verdict.interval
    side = "below" if verdict.difference < 0 else "above"
    size = f"{abs(verdict.difference):.3g} {side} that of {other}"
    interval = f"99.9 % interval of the difference [{low:+.3g}, {high:+.3g}]"
    return f"{verdict.state}: its {verdict.metric} on {split} lives is {size}; {interval}{runs}"


def _worst(verdicts: Sequence[Verdict | None]) -> Verdict | None:
    """The worst verdict on a row of several runs, with the number of runs in which it failed.

    Where it failed in none, the verdict of the first run; None where some run has no verdict.
    """
    bad = []
    for verdict in verdicts:
        if verdict is not None and failed(verdict):
            bad.append(verdict)
    for state in (NOT_TRAINED, OVERFITTED):
        for verdict in bad:
            if verdict.state == state:
                return replace(verdict, failed_in=len(bad), runs=len(verdicts))
    return verdicts[0] if all(verdicts) else None


def _lost(name: str, search: SearchRecord) -> str:
    times = "once" if search.falls == 1 else f"{search.falls} times"
    steps = ", ".join(str(step) for step in search.fell_at)
    return (
        f"{name}: its search got lost {times} (outer steps {steps}) and was led back; "
        f"its last steps were {search.step_scale:.3g} as large."
    )
