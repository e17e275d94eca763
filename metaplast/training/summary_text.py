"""The text of a finished run, or of several: the end of `metaplast train`."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from metaplast.inspection import verdict
from metaplast.life.units import FAULTS
from metaplast.results import table
from metaplast.results.summary import (
    FILE,
    GapClosed,
    Row,
    RowScore,
    RuleCard,
    RunSummary,
    TrainedRow,
)
from metaplast.results.table import RowFacts
from metaplast.runs.job import read_job
from metaplast.runs.provenance import as_given, imports
from metaplast.settings.names import DISCOVERED, FIGURES, REPORT, RULE_FILE
from metaplast.training import row_words
from metaplast.training.pool import Pool, pool
from metaplast.training.summary import IDLE, read_summary

CLIPPED = 0.05
"""The share of weights at a bound, or of idle units, above which a line says so."""


def render(run: Path) -> str:
    """The text at the end of `metaplast train`."""
    summary = read_summary(run)
    facts = row_words.over_runs([summary])
    parts = _head(_judged([run], [summary], summary.scores, facts))
    parts.append(table.render(summary.scores, facts, DISCOVERED))
    if summary.gap_closed is not None:
        parts.append(gap_words(summary.gap_closed))
    parts += row_words.lines([summary], facts)
    parts += row_words.on_dt([summary])
    parts += table.ahead(summary.scores, facts, DISCOVERED)
    parts.append(_protocol(summary))
    if summary.auto is not None:
        parts.append(f"outer=auto chose {summary.auto.name}, for {summary.auto.reason}.")
    for name, row in summary.trained_rows.items():
        parts += _row_warnings(name, row, n_lives=summary.scores[0].n)
    if summary.diverged_lives:
        parts.append(f"{summary.diverged_lives} training lives were not finite and were left out.")
    if summary.rule is not None:
        parts.append(_rule_words(summary.rule, summary.rows[DISCOVERED]))
    parts.append(_files(run, has_rule=summary.rule is not None))
    return "\n\n".join(parts)


def pooled(runs: Sequence[Path]) -> str:
    """The table over several finished runs of one setting, and the mean of every row in each run.

    Raises: as `pool`.
    """
    together = pool(runs)
    parts = _head(judged(runs, together))
    parts.append(table.render(together.scores, together.facts, DISCOVERED))
    if together.gap is not None:
        parts.append(gap_words(together.gap))
    parts += together.words
    parts += together.dt
    parts += table.ahead(together.scores, together.facts, DISCOVERED)
    intervals = "bootstrap intervals over lives of one split"
    if len(runs) > 1:
        intervals = f"t intervals over {len(runs)} splits"
    parts.append(f"95 % {intervals}. Per seed, {together.metric}:")
    width = max(map(len, together.means))
    lines = []
    for name, means in together.means.items():
        each = "  ".join(f"{mean:#.3g}" for mean in means)
        lines.append(f"{name.ljust(width)}  {each}")
    parts.append("\n".join(lines))
    return "\n\n".join(parts)


def judged(runs: Sequence[Path], together: Pool) -> verdict.PageVerdict:
    """The verdict on finished runs of one setting, from their pool."""
    summaries = [read_summary(run) for run in runs]
    return _judged(runs, summaries, together.scores, together.facts, together.means)


def _head(judged: verdict.PageVerdict) -> list[str]:
    """The first paragraphs of a text: the verdict, and the next command."""
    return ["\n".join(judged.sentences), f"Next: {judged.next_command}"]


def _judged(
    runs: Sequence[Path],
    summaries: Sequence[RunSummary],
    scores: Sequence[RowScore],
    facts: Mapping[str, RowFacts],
    means: Mapping[str, Sequence[float]] | None = None,
) -> verdict.PageVerdict:
    """The verdict of the page of these runs, without what `metaplast inspect` adds.

    Args:
        runs: their folders.
        summaries: of the runs.
        scores: of all rows over the runs.
        facts: {row: facts}.
        means: {row: its mean in each run}; None for one run.
    """
    louder = ""
    if facts[DISCOVERED].dead:
        louder = row_words.louder(read_job(runs[0]).main)
    evidence = verdict.Evidence(
        runs=list(map(as_given, runs)),
        searched=DISCOVERED,
        scores=scores,
        facts=facts,
        seeds=[summary.seed for summary in summaries],
        means=means or {},
        outer_steps=summaries[0].outer_steps,
        imports=imports(runs),
        louder=louder,
        has_rule=summaries[0].rule is not None,
    )
    return verdict.verdict(evidence)


def gap_words(gap: GapClosed) -> str:
    """The share of the way from feedback alignment to backprop, or the reason why none is named."""
    if gap.withheld:
        reasons = "; ".join(f"{name} is {reason}" for name, reason in gap.withheld.items())
        return f"No share of a gap and no best backprop row is named: {reasons}."
    if gap.share is None:
        return (
            f"{gap.high}, the best backprop row, is no better than {gap.low}: there is no gap "
            "to close."
        )
    return (
        f"The discovered rule closes {100 * gap.share:.0f} % of the gap from {gap.low} to "
        f"{gap.high} (best backprop row)."
    )


def _protocol(summary: RunSummary) -> str:
    """The way in which the rows were trained and judged, in words."""
    exception = ""
    if any(row.origin for row in summary.trained_rows.values()):
        exception = " (but for rows that start from others)"
    return (
        f"Every trained row: same task, outer loop and budget{exception}; candidates chosen on "
        f"validation lives; scored on the same {summary.scores[0].n} held-out lives, opened "
        "once. One seed, so intervals cover lives, not splits."
    )


def _row_warnings(name: str, row: TrainedRow, n_lives: int) -> list[str]:
    """A line for weights at their bound, for idle units and for lives with a fault."""
    lines = []
    if row.at_bound > CLIPPED:
        share = f"{100 * row.at_bound:.0f} %"
        lines.append(f"{name}: {share} of its weights end at their bound (clipped).")
    for word in IDLE:
        shares = []
        for key, share in row.units.items():
            if key.startswith(word) and share > CLIPPED:
                population = key.removeprefix(f"{word}_")
                shares.append(f"{100 * share:.0f} % of {population}")
        if shares:
            words = ", ".join(shares)
            lines.append(f"{name}: units that are {word} through a whole life: {words}.")
    faults = []
    for fault, count in row.faults.items():
        if count:
            faults.append(f"{count} {fault} ({FAULTS[fault]})")
    if faults:
        lines.append(f"{name}: of its {n_lives} lives, {', '.join(faults)}.")
    return lines


def _rule_words(rule: RuleCard, discovered: Row) -> str:
    """The formula of the searched rule, its reach and its feedback."""
    transport = ""
    if any("returned" in field for field in discovered.reads):
        transport = "; reads W^T post"
    reach = f"reach: {rule.reach}{transport}; feedback: {discovered.feedback}"
    return f"{rule.formula}\n{reach}"


def _files(run: Path, has_rule: bool) -> str:
    """The files of a run, one a line."""
    files = [("summary", run / FILE)]
    if has_rule:
        files.append(("rule", run / RULE_FILE))
    for figure in sorted((run / FIGURES).glob("*.svg")):
        files.append(("figure", figure))
    if (run / REPORT).is_file():
        files.append(("report", run / REPORT))
    return "\n".join(f"{name:8} {path}" for name, path in files)
