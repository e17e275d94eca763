"""Tables of Markdown."""

from collections.abc import Iterable, Sequence


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """The lines of a table. Columns that are empty in all rows are left out.

    Args:
        heads: the words above the columns.
        rows: the cells of every row, in Markdown.
    """
    cells = [list(row) for row in rows]
    used: list[int] = []
    for column in range(len(heads)):
        if not cells or any(row[column] for row in cells):
            used.append(column)
    lines = [_line([heads[column] for column in used]), _line(["---"] * len(used))]
    for row in cells:
        lines.append(_line([row[column] for column in used]))
    return lines


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"
