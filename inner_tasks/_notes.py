"""Notes that are taken while a file is read, and the words in which they count things."""

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

MANY = 12  # units, inputs, subjects or values that are listed one by one


class ColumnNote(NamedTuple):
    """The meaning of one column of a file.

    subject: the column, as in `array 'choice'`.
    text: its meaning, in one line.
    """

    subject: str
    text: str

    def __str__(self) -> str:
        return f"{self.subject}: {self.text}"


class ReadingNotes(NamedTuple):
    """The notes of one file. Readers add to both lists.

    columns: one note for every column.
    warnings: one line for everything that was filled, dropped, re-ordered or re-interpreted,
        with its count.
    """

    columns: list[ColumnNote]
    warnings: list[str]

    def add_column(self, subject: str, text: str) -> None:
        """Note how a column was understood."""
        self.columns.append(ColumnNote(subject, text))

    def warn(self, line: str) -> None:
        """Note a change or a doubt."""
        self.warnings.append(line)


def no_notes() -> ReadingNotes:
    """Two empty lists."""
    return ReadingNotes([], [])


def percent(part: Any, whole: float) -> str:
    """`44.2 %`."""
    return f"{100.0 * float(part) / max(whole, 1):.1f} %"


def counted(part: Any, whole: int, noun: str = "rows") -> str:
    """`283 of 640 rows (44.2 %)`."""
    return f"{int(part)} of {whole} {noun} ({percent(part, whole)})"


def several(n: int, noun: str) -> str:
    """`1 subject`, `2 subjects`."""
    if n == 1:
        return f"{n} {noun}"
    return f"{n} {noun}s"


def listed(names: Iterable[str]) -> str:
    """The first names, and the number of the others."""
    all_names = list(names)
    line = ", ".join(all_names[:MANY])
    if len(all_names) > MANY:
        line += f", and {len(all_names) - MANY} more"
    return line


def tally(values: np.ndarray) -> str:
    """`-1 (283 rows), 0 (26), 1 (331)`: every distinct value with its number of rows, NaN last."""
    distinct, counts = np.unique(values, return_counts=True)
    entries = []
    for value, n_rows in zip(distinct, counts, strict=True):
        noun = "" if entries else " rows"
        entries.append(f"{plain(value)} ({n_rows}{noun})")
    return listed(entries)


def plain(value: Any) -> str:
    """A value as a user writes it: 1 for 1.0, true for True, left for 'left'.

    Text with a blank at an end keeps its quotes: ' left'.
    """
    if isinstance(value, bool | np.bool_):
        return str(bool(value)).lower()
    if isinstance(value, str):
        if not value or value != value.strip():
            return repr(str(value))
        return str(value)
    return f"{float(value):g}"
