"""Small pieces of HTML for notebooks. Every text is escaped, and nothing is a script."""

from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

from metaplast.reuse.text import printable


def text(value: Any) -> str:
    """A value as escaped text on one line."""
    return escape(printable(str(value)))


def line(value: Any) -> str:
    """A paragraph."""
    return f"<p>{text(value)}</p>"


def formula(value: str) -> str:
    """A formula of one or several lines, in letters of one width."""
    lines = [text(each) for each in value.split("\n")]
    return "<pre>" + "\n".join(lines) + "</pre>"


def facts(pairs: Iterable[tuple[str, Any]]) -> str:
    """A table of names and values."""
    rows = []
    for name, value in pairs:
        rows.append(f"<tr><th>{text(name)}</th><td>{text(value)}</td></tr>")
    return "<table>" + "".join(rows) + "</table>"


def table(head: Sequence[Any], rows: Iterable[Sequence[Any]]) -> str:
    """A table of cells under a head."""
    lines = ["<tr>" + "".join(f"<th>{text(cell)}</th>" for cell in head) + "</tr>"]
    for row in rows:
        lines.append("<tr>" + "".join(f"<td>{text(cell)}</td>" for cell in row) + "</tr>")
    return "<table>" + "".join(lines) + "</table>"
