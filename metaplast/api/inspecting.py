"""The findings of an inspection."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from metaplast.inspection.verdict import PageVerdict
from metaplast.registry import Plain
from metaplast.results.typed_json import from_plain
from metaplast.reuse import html


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
        return "\n".join(
            [*self.verdict.sentences, f"Next: {self.verdict.next_command}", str(self.page)]
        )

    def _repr_html_(self) -> str:
        lines = [html.line(sentence) for sentence in self.verdict.sentences]
        lines.append(html.formula(self.verdict.next_command))
        lines.append(html.facts([("page", self.page)]))
        return "".join(lines)


def read_inspection(files: Sequence[Path]) -> Inspection:
    """The findings of an inspection that has just been written.

    Args:
        files: as `inspect_runs` gives them: report.html and inspect.json first.
    """
    data = files[1]
    numbers = json.loads(data.read_bytes())
    return Inspection(from_plain(PageVerdict, numbers["verdict"], f"{data}"), numbers, files)
