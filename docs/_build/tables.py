"""Tables of Markdown."""

from collections.abc import Iterable, Sequence


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """The lines of a table.

    Args:
        heads: the words above the columns.
        rows: the cells of every row, in Markdown.
    """
    lines = [_line(heads), _line(["---"] * len(heads))]
    for row in rows:
        lines.append(_line(row))
    return lines


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"
