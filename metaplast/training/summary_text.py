"""The text that a finished run, or several of them, is printed as."""

import json
from collections.abc import Sequence
from pathlib import Path

from metaplast.life.units import FAULTS
from metaplast.results import table
from metaplast.runs.config import Plain
from metaplast.settings.names import DISCOVERED
from metaplast.training import row_words
from metaplast.training.pool import pool
from metaplast.training.summary import IDLE

CLIPPED = 0.05
"""The share of weights at a bound, or of idle units, that is worth a line."""


def render(run: Path) -> str:
    """The text at the end of `metaplast train`."""
    summary = json.loads((run / "summary.json").read_text())
    facts = row_words.over_runs([summary])
    parts = [table.render(summary["scores"], facts, DISCOVERED)]
    if summary["gap_closed"]:
        parts.append(gap_words(summary["gap_closed"]))
    parts += row_words.lines([summary], facts)
    parts += row_words.on_dt([summary])
    parts += table.ahead(summary["scores"], summary["rows"], DISCOVERED)
    parts.append(_protocol(summary))
    for name, fact in summary["rows"].items():
        parts += _row_warnings(name, fact, n_lives=summary["scores"][0]["n"])
    if summary["diverged_lives"]:
        parts.append(
            f"{summary['diverged_lives']} training lives were not finite and were left out."
        )
    if "rule" in summary:
        parts.append(_rule_words(summary))
    parts.append(_files(run, has_rule="rule" in summary))
    return "\n\n".join(parts)


def pooled(runs: Sequence[Path]) -> str:
    """The table over several finished runs of one setting, and the score of every row in each run.

    Raises: as `pool`.
    """
    together = pool(runs)
    parts = [table.render(together.scores, together.facts, DISCOVERED)]
    if together.gap:
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
        each = "  ".join(f"{mean:.3f}" for mean in means)
        lines.append(f"{name.ljust(width)}  {each}")
    parts.append("\n".join(lines))
    return "\n\n".join(parts)


def gap_words(gap: Plain) -> str:
    """The share of the way from feedback alignment to backprop, or why it has no name."""
    if gap.get("withheld"):
        reasons = "; ".join(f"{name} is {reason}" for name, reason in gap["withheld"].items())
        return f"No share of a gap and no best backprop row is named: {reasons}."
    if gap["share"] is None:
        return (
            f"{gap['to']}, the best backprop row, is no better than {gap['from']}: there is no gap "
            "to close."
        )
    return (
        f"The discovered rule closes {100 * gap['share']:.0f} % of the gap from {gap['from']} to "
        f"{gap['to']} (best backprop row)."
    )


def _protocol(summary: Plain) -> str:
    """How the rows were trained and judged."""
    exception = ""
    if any(fact.get("from") for fact in summary["rows"].values()):
        exception = " (but for rows that start from others)"
    return (
        f"Every trained row: same task, outer loop and budget{exception}; candidates chosen on "
        f"validation lives; scored on the same {summary['scores'][0]['n']} held-out lives, opened "
        "once. One seed, so intervals cover lives, not splits."
    )


def _row_warnings(name: str, fact: Plain, n_lives: int) -> list[str]:
    """A line for weights at their bound, for idle units and for lives with a fault."""
    lines = []
    if fact.get("at_bound", 0.0) > CLIPPED:
        share = f"{100 * fact['at_bound']:.0f} %"
        lines.append(f"{name}: {share} of its weights end at their bound (clipped).")
    for word in IDLE:
        shares = []
        for key, share in fact.get("units", {}).items():
            if key.startswith(word) and share > CLIPPED:
                population = key.removeprefix(f"{word}_")
                shares.append(f"{100 * share:.0f} % of {population}")
        if shares:
            words = ", ".join(shares)
            lines.append(f"{name}: units that are {word} through a whole life: {words}.")
    faults = []
    for fault, count in fact.get("faults", {}).items():
        if count:
            faults.append(f"{count} {fault} ({FAULTS[fault]})")
    if faults:
        lines.append(f"{name}: of its {n_lives} lives, {', '.join(faults)}.")
    return lines


def _rule_words(summary: Plain) -> str:
    """The formula of the searched rule, its reach and its feedback."""
    rule = summary["rule"]
    discovered = summary["rows"][DISCOVERED]
    transport = ""
    if any("returned" in field for field in discovered["reads"]):
        transport = "; reads W^T post"
    reach = f"reach: {rule['reach']}{transport}; feedback: {discovered['feedback']}"
    return f"{rule['formula']}\n{reach}"


def _files(run: Path, has_rule: bool) -> str:
    """The files of a run, one a line."""
    files = [("summary", run / "summary.json")]
    if has_rule:
        files.append(("rule", run / "rule.safetensors"))
    files += [("figure", figure) for figure in sorted((run / "figures").glob("*.png"))]
    if (run / "report.html").is_file():
        files.append(("report", run / "report.html"))
    return "\n".join(f"{name:8} {path}" for name, path in files)
