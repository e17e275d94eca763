"""Inspect runs and rules from Python, and hold the findings."""

import json
from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Any, Literal, get_args

from metaplast.api.carrying import progress
from metaplast.api.checks import FEWEST, name_of, whole
from metaplast.api.progress import PARTS
from metaplast.api.words import words_of
from metaplast.inspection.verdict import PageVerdict
from metaplast.registry import BadInput, Plain
from metaplast.results.typed_json import from_plain
from metaplast.reuse import html
from metaplast.reuse.shelf import is_shelved
from metaplast.reuse.text import printable
from metaplast.runs import folder
from metaplast.training import effort as inspection_effort
from metaplast.training import inspect_any

Effort = Literal["quick", "usual", "thorough"]
"""The time that an inspection may take."""


class Inspection:
    """The findings of an inspection, as its page shows them.

    verdict: what the rule does, how sure that is, what it does not do, and what to run next.
    numbers: {part of the page: its numbers}, as in inspect.json.
    page: the path of report.html, one file.
    files: the paths of all files.
    """

    def __init__(self, verdict: PageVerdict, numbers: Plain, files: Sequence[Path]) -> None:
        """Hold the findings.

        Args:
            verdict: of the page.
            numbers: of every part.
            files: of the page, report.html first.
        """
        self.verdict = verdict
        self.numbers = numbers
        self.page = files[0]
        self.files = tuple(files)

    def __getitem__(self, part: str) -> Any:
        """The numbers of a part of the page, such as `ablation`."""
        return self.numbers[part]

    def __repr__(self) -> str:
        words = [*self.verdict.sentences, f"Next: {self.verdict.next_command}", str(self.page)]
        return "\n".join(map(printable, words))

    def _repr_html_(self) -> str:
        lines = [html.line(sentence) for sentence in self.verdict.sentences]
        lines.append(html.formula(self.verdict.next_command))
        lines.append(html.facts([("page", self.page)]))
        return "".join(lines)


def inspect(
    rule: str | PathLike[str],
    experiment: str | None = None,
    *,
    effort: Effort = "usual",
    out: str | PathLike[str] | None = None,
    quiet: bool = False,
    **words: Any,
) -> Inspection:
    """Write the page of a rule file, as `metaplast inspect RULE` does. A run has `run.inspect()`.

        mp.inspect("zoo/oja", "oja", effort="quick").verdict

    Args:
        rule: the path of a rule file, or `zoo/NAME`.
        experiment: the name of an experiment whose task the rule lives in; None, and no words: it
            lives in none.
        effort: the time that may be taken (docs/guides/inspect.md).
        out: the folder of the page; None: `<name>_inspect` beside the file, for a rule of the zoo
            here.
        quiet: whether no progress is shown.
        words: config words of the task, as in `train`.

    Raises: BadInput for a bad rule file, and for words that do not compose.
    """
    name = name_of(rule)
    if not is_shelved(name) and Path(name).is_dir():
        raise BadInput(f"{name}, a folder", "a rule file", f"mp.open({name!r}).inspect()")
    return inspected([name], words_of(experiment, words), effort, FEWEST, out, quiet)


def inspected(
    named: Sequence[str],
    words: Sequence[str],
    effort: Effort,
    lives: int,
    out: str | PathLike[str] | None,
    quiet: bool,
) -> Inspection:
    """The findings on finished runs, or on one rule file, whose page is written first.

    Args:
        named: see `metaplast.training.inspect_any.inspect`.
        words: likewise.
        effort: the time that may be taken.
        lives: held-out lives per run behind the curves.
        out: the folder of the page, or None.
        quiet: whether no progress is shown.

    Raises: BadInput as `inspect` does, and for a wrong effort or number of lives.
    """
    known = get_args(Effort)
    if effort not in known:
        raise BadInput(f"effort={effort!r}", f"one of {', '.join(known)}", "choose one")
    lives = whole("lives", lives, FEWEST)
    target = None if out is None else Path(out)
    how_much = inspection_effort.Effort[effort.upper()]
    naming = folder.naming_errors(target or Path(named[0]))
    with naming, progress(quiet, PARTS) as show:
        files = inspect_any.inspect(named, words, target, lives, how_much, show)
    data = files[1]
    numbers = json.loads(data.read_bytes())
    return Inspection(from_plain(PageVerdict, numbers["verdict"], f"{data}"), numbers, files)
