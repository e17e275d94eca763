"""A figure with its words: what a page is made of."""

import base64
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from metaplast.reuse.load import Rule
from metaplast.reuse.rule_file import RuleFile


class Figure(NamedTuple):
    """A picture on a page.

    path: of the PNG file.
    alt: the words for a reader who does not see the picture.
    caption: the words below it.
    """

    path: Path
    alt: str
    caption: str

    @property
    def base64(self) -> str:
        """The file as text, for a page that loads nothing."""
        return base64.b64encode(self.path.read_bytes()).decode("ascii")


class Table(NamedTuple):
    """A table on a page: a caption, the names of its columns, and rows of cells."""

    caption: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]


class Section(NamedTuple):
    """One section of a page, in this order: paragraphs, formulas, figures, tables."""

    title: str
    paragraphs: Sequence[str] = ()
    formulas: Sequence[str] = ()
    figures: Sequence[Figure] = ()
    tables: Sequence[Table] = ()


class PagePart(NamedTuple):
    """A part of a page.

    section: the words, figures and tables.
    numbers: the numbers behind them as plain data, for inspect.json.
    """

    section: Section
    numbers: dict[str, Any]


class RulesShown(NamedTuple):
    """The rules that a page is about.

    files: the rule file of every seed.
    rules: {entry: rule} of the first file; an entry is a slot, or slot/edge.
    whose: a sentence that says whose rule is drawn, where there are several files.
    folder: the folder of the page's pictures.
    """

    files: Sequence[RuleFile]
    rules: Mapping[str, Rule]
    whose: str
    folder: Path
