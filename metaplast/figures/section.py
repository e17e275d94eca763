"""A figure with its words: what a page is made of."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from metaplast.reuse.load import Rule
from metaplast.reuse.rule_file import RuleFile


class Figure(NamedTuple):
    """A picture on a page.

    path: of the SVG or PNG file.
    alt: the words for a reader who does not see the picture.
    caption: the words below it.
    """

    path: Path
    alt: str
    caption: str


class Table(NamedTuple):
    """A table on a page: a caption, the names of its columns, and rows of cells."""

    caption: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]


class Folded(NamedTuple):
    """A piece of a section that a reader opens: full formulas and long tables.

    label: the words on the fold.
    """

    label: str
    paragraphs: Sequence[str] = ()
    formulas: Sequence[str] = ()
    tables: Sequence[Table] = ()


class Section(NamedTuple):
    """One section of a page, in this order: summary, paragraphs, formulas, figures, tables, folds.

    A page folds tables and formulas that are long, wherever they stand.

    summary: one line that says what the section found.
    folded: what a reader opens.
    id: the name by which the page's contents find it; "" for one made from the title.
    """

    title: str
    paragraphs: Sequence[str] = ()
    formulas: Sequence[str] = ()
    figures: Sequence[Figure] = ()
    tables: Sequence[Table] = ()
    summary: str = ""
    folded: Sequence[Folded] = ()
    id: str = ""


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
    above_zero: {entry: names of the signals that are never below 0}, where that is known.
    spikes: {entry: names of the activities that are spikes}, where that is known.
    """

    files: Sequence[RuleFile]
    rules: Mapping[str, Rule]
    whose: str
    folder: Path
    above_zero: Mapping[str, Collection[str]] = {}
    spikes: Mapping[str, Collection[str]] = {}


def reason_of(error: Exception) -> str:
    """The reason why a part of a page could not be made, in one line."""
    return " ".join(str(error).split()) or type(error).__name__


def unmade(title: str, error: Exception) -> Section:
    """The section of a part that could not be made. It says why."""
    return Section(title, [f"This part could not be made: {reason_of(error)}"])
