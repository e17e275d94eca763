"""A page as one HTML file, which runs no script, loads nothing, and escapes every string."""

import base64
import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from importlib import resources
from typing import NamedTuple

from jinja2 import Environment, StrictUndefined, Template
from markupsafe import Markup

from metaplast.figures.section import Figure, Folded, Section, Table
from metaplast.report import svg

__all__ = ["Figure", "Folded", "Page", "Section", "Table", "figures_of", "html"]

LONG_TABLE = 12
"""A table of more rows is folded away."""
WIDE_POINTS = 520
"""A wider key figure stands below the verdict, not beside it."""
LONG_FORMULA = 300
"""A formula of more characters is folded away."""

_NUMBER = re.compile(
    r"[-+−]?\d[\d.]*(e[-+]?\d+)?|\[[^\[\]]*\d[^\[\]]*\]|not finite|none", re.IGNORECASE
)


class Page(NamedTuple):
    """A page: what was found, one picture of it, and the sections behind it.

    Everything is plain text, whatever stands in it.

    facts: (name, value), behind the last section.
    verdict: three or four sentences at the head; the first is the largest.
    next_command: the command that a reader should run next.
    key_figure: the picture beside the verdict.
    kind: what the page is about, in a word or two above the title.
    provenance: (name, value) of the origin of the page's numbers, at the head.
    """

    title: str
    facts: Sequence[tuple[str, str]]
    sections: Sequence[Section]
    verdict: Sequence[str] = ()
    next_command: str = ""
    key_figure: Figure | None = None
    kind: str = ""
    provenance: Sequence[tuple[str, str]] = ()


def html(page: Page) -> str:
    """The whole page, figures inlined."""
    sections = []
    taken: set[str] = set()
    for section in page.sections:
        sections.append(section._replace(id=_free_id(section, taken)))
    pictures = _Pictures()
    light, dark = svg.colours_of_pages()
    return _template().render(
        page=page._replace(sections=sections),
        picture=pictures.markup,
        is_wide=_is_wide,
        light=Markup(light),
        dark=Markup(dark),
        long_table=LONG_TABLE,
        long_formula=LONG_FORMULA,
    )


def figures_of(page: Page) -> Iterator[Figure]:
    """All pictures of a page."""
    if page.key_figure is not None:
        yield page.key_figure
    for section in page.sections:
        yield from section.figures


class _Pictures:
    """The pictures of one page; each has ids of its own."""

    def __init__(self) -> None:
        self.n = 0

    def markup(self, figure: Figure) -> Markup:
        """The picture as markup."""
        self.n += 1
        if figure.path.suffix.lower() == ".svg":
            text = figure.path.read_text(encoding="utf-8")
            return Markup(svg.inline(text, f"f{self.n}", figure.alt))
        data = base64.b64encode(figure.path.read_bytes()).decode("ascii")
        image = Markup('<img src="data:image/png;base64,{}" alt="{}">')
        return image.format(data, figure.alt)


def _is_wide(figure: Figure) -> bool:
    """Whether a picture has no room beside the verdict."""
    if figure.path.suffix.lower() != ".svg":
        return True
    width = re.search(r'<svg[^>]* width="([\d.]+)pt"', figure.path.read_text(encoding="utf-8"))
    return width is not None and float(width.group(1)) > WIDE_POINTS


def _free_id(section: Section, taken: set[str]) -> str:
    """An id of letters, digits and hyphens that no other section has."""
    words = re.sub(r"[^a-z0-9]+", "-", (section.id or section.title).lower()).strip("-")[:40]
    first = f"s-{words}" if words else "s"
    name = first
    n = 1
    while name in taken:
        n += 1
        name = f"{first}-{n}"
    taken.add(name)
    return name


def _number_columns(table: Table) -> list[bool]:
    """Whether a column holds numbers, beside empty cells and dashes; the first column does not."""
    are_numbers = []
    for column in range(len(table.head)):
        cells = [str(row[column]).strip() for row in table.rows if column < len(row)]
        filled = [cell for cell in cells if cell not in ("", "-")]
        is_number = bool(filled) and all(_NUMBER.fullmatch(cell) for cell in filled)
        are_numbers.append(column > 0 and is_number)
    return are_numbers


@lru_cache(maxsize=1)
def _template() -> Template:
    environment = Environment(autoescape=True, undefined=StrictUndefined)
    environment.filters["number_columns"] = _number_columns
    file = resources.files("metaplast.report").joinpath("report.html.j2")
    return environment.from_string(file.read_text(encoding="utf-8"))
