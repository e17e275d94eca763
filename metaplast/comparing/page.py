"""The page of a comparison of outer loops, report.html."""

import shlex
from collections.abc import Sequence
from pathlib import Path

from metaplast.figures import loop_curves
from metaplast.registry import Plain
from metaplast.report.page import Figure, Page, Section, Table, html
from metaplast.results import loop_verdict, loops
from metaplast.results.loop_comparison import LoopComparison
from metaplast.results.numbers import number
from metaplast.runs import folder, provenance
from metaplast.settings.names import FIGURES, REPORT

PICTURE = f"{FIGURES}/loops.svg"
MORE = 4
"""Times the budget, where it was too small for a step."""


def write(run: Path, comparison: LoopComparison, wall_s: float) -> None:
    """Write the figure, and report.html last.

    Args:
        run: the folder of the comparison.
        comparison: of the outer loops.
        wall_s: seconds that it took.
    """
    loop_curves.draw(comparison, run / PICTURE)
    sections = [
        Section("Reasons to doubt it", loop_verdict.doubts(comparison)),
        *_scores(comparison),
    ]
    judged = loop_verdict.verdict(comparison)
    page = Page(
        f"Outer loops on {comparison.experiment}, seed {comparison.seed}",
        _facts(comparison),
        sections,
        verdict=judged,
        next_command=next_command(run, comparison),
        key_figure=_figure(run, comparison),
        kind="A comparison of outer loops",
        provenance=provenance.facts(run, wall_s),
    )
    folder.write_text(run / REPORT, html(page))


def next_command(run: Path, comparison: LoopComparison) -> str:
    """The command that settles more.

    A larger budget where a loop made no step, else the loops that are level with the best, with
    more seeds.
    """
    origin = provenance.read(run)
    experiment = f"experiment={comparison.experiment or 'NAME'}"
    words = ["metaplast", "compare", *provenance.imports([run]), experiment]
    if origin is not None and origin.command:
        words = provenance.words_again(origin.command)
    for budget in comparison.best:
        if not all(loop.scores[budget].steps for loop in comparison.entered.values()):
            more = f"compare.{budget}={MORE * comparison.settings.budget(budget):g}"
            return shlex.join(_changed(words, more))
    level = loop_verdict.level_loops(comparison)
    if len(level) > 1:
        words = [*provenance.without(words, "--loops"), "--loops", ",".join(level)]
    return shlex.join(_changed(words, f"compare.seeds={2 * comparison.settings.seeds}"))


def _changed(words: Sequence[str], change: str) -> list[str]:
    """A command with another value of one key."""
    key = change.partition("=")[0]
    kept = [word for word in words if word.partition("=")[0] != key]
    return [*kept, change]


def _figure(run: Path, comparison: LoopComparison) -> Figure:
    ends = []
    for budget, best in comparison.best.items():
        for name, loop in comparison.entered.items():
            mark = " (best)" if name == best else ""
            mean = number(loop.scores[budget].mean)
            ends.append(f"{name}{mark} {mean} after the {loops.UNITS[budget]}")
    alt = f"Validation loss against what was spent; held-out ends: {', '.join(ends)}"
    caption = (
        "Mean over seeds at every mark, with 95 % intervals. A cross at the top: a seed was not "
        "finite."
    )
    return Figure(run / PICTURE, alt, caption)


def _scores(comparison: LoopComparison) -> list[Section]:
    """The tables of the terminal, and how losses are judged."""
    tables = []
    for budget in comparison.best:
        head, *lines = loops.score_lines(comparison, budget)
        caption = f"Held-out loss {head[0]}"
        tables.append(Table(caption, ("loop", *head[1:]), lines))
    head, *lines = loops.cost_lines(comparison.entered)
    tables.append(Table("Costs, and what went wrong", (*head[:-1], "note"), lines))
    method = Section("How it was judged", [loops.method(comparison)])
    return [Section("Scores", tables=tables), method]


def _facts(comparison: LoopComparison) -> list[tuple[str, str]]:
    settings: Plain = {
        "seeds": comparison.settings.seeds,
        "settings tried": comparison.settings.tries,
    }
    facts = [("experiment", comparison.experiment), ("first seed", str(comparison.seed))]
    for name, value in settings.items():
        facts.append((name, str(value)))
    for name in comparison.best:
        facts.append((f"budget, {loops.UNITS[name]}", f"{comparison.settings.budget(name):g}"))
    return facts
