"""A page as one HTML file, which runs no script, loads nothing, and escapes every string."""

import re
from collections.abc import Sequence
from functools import lru_cache
from importlib import resources
from typing import NamedTuple

from jinja2 import Environment, StrictUndefined, Template

from metaplast.figures.section import Figure, Section, Table

__all__ = ["Figure", "Page", "Section", "Table", "html"]

_NUMBER = re.compile(r"[-+−]?\d[\d.]*(e[-+]?\d+)?|\[[^\[\]]*\d[^\[\]]*\]|not finite", re.IGNORECASE)


class Page(NamedTuple):
    """A title, facts (name, value) below it, and sections.

    Everything is plain text, whatever stands in it.
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
    file = resources.files("metaplast.report").joinpath("report.html.j2")
    return environment.from_string(file.read_text(encoding="utf-8"))
