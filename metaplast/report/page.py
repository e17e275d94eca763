"""The page of an inspection: one HTML file that runs no script, loads nothing, and escapes every
string.
"""

import base64
import re
from collections.abc import Sequence
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import NamedTuple

from jinja2 import Environment, StrictUndefined, Template

_NUMBER = re.compile(r"[-+−]?\d[\d.]*(e[-+]?\d+)?|\[[^\[\]]*\d[^\[\]]*\]|not finite", re.IGNORECASE)


class Figure(NamedTuple):
    """A PNG file with the words for those who do not see it, and what it shows."""

    path: Path
    alt: str
    caption: str

    @property
    def base64(self) -> str:
        return base64.b64encode(self.path.read_bytes()).decode("ascii")


class Table(NamedTuple):
    caption: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]


class Section(NamedTuple):
    """One part of the page, in this order: paragraphs, formulas, figures, tables."""

    title: str
    paragraphs: Sequence[str] = ()
    formulas: Sequence[str] = ()
    figures: Sequence[Figure] = ()
    tables: Sequence[Table] = ()


class Page(NamedTuple):
    """A title, facts (name, value) below it, and sections. Everything is plain text, whatever
    stands in it.
    """

    title: str
    facts: Sequence[tuple[str, str]]
    sections: Sequence[Section]


def html(page: Page) -> str:
    """The whole page, figures inlined."""
    return _template().render(page=page)


@lru_cache(maxsize=1)
def _template() -> Template:
    environment = Environment(autoescape=True, undefined=StrictUndefined)
    environment.tests["number_like"] = lambda cell: bool(_NUMBER.fullmatch(str(cell).strip()))
    text = (
        resources.files("metaplast.report").joinpath("report.html.j2").read_text(encoding="utf-8")
    )
    return environment.from_string(text)
