"""The hand-written words of the gallery: benchmarks/gallery.yaml."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from metaplast.results.typed_json import from_plain
from metaplast.runs.config import read_file

FILE = Path(__file__).resolve().parents[1] / "gallery.yaml"


@dataclass(frozen=True, kw_only=True)
class Entry:
    """The words on one experiment. `{...}` in them is filled from its run (`facts`).

    group: the heading of the index under which it stands.
    kind: the kind of its figure.
    title: of its page.
    line: its line in the index.
    question: what is asked.
    method: how, in one sentence.
    result: what came out.
    control: what the result is held against.
    missing: what is not shown.
    look: a cheap command that prints more of it.
    more: links to pages of the docs, as Markdown.
    metric: the score in words, with its unit.
    show: the rows of the figure, in their order; empty: every row that has words.
    rows: {row: its words}, beside those that all experiments share.
    options: of the kind.
    """

    group: str
    kind: str
    title: str
    line: str
    question: str
    method: str
    result: str
    control: str
    missing: str
    look: str
    more: str = ""
    metric: str = "accuracy"
    show: tuple[str, ...] = ()
    rows: dict[str, str] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def shown(self) -> tuple[str, ...]:
        """The rows of the figure."""
        return self.show or tuple(self.rows)

    def filled(self, facts: dict[str, Any], text: str) -> str:
        """A text of this entry with the facts of its run."""
        return " ".join(text.format_map(facts).split())


@dataclass(frozen=True)
class Gallery:
    """All words.

    groups: the headings of the index, in their order.
    rows: {row: its words} that experiments share.
    experiments: {experiment: its words}.
    """

    groups: list[str]
    rows: dict[str, str]
    experiments: dict[str, Entry]


def read(file: Path = FILE) -> Gallery:
    """Read the words; every entry gets the shared words of the rows that it shows.

    Raises: BadInput for a file of another form.
    """
    plain = read_file(file)
    for entry in plain["experiments"].values():
        own = entry.setdefault("rows", {})
        for row in entry.get("show", ()):
            if row not in own and row in plain["rows"]:
                own[row] = plain["rows"][row]
    return from_plain(Gallery, plain, str(file))
