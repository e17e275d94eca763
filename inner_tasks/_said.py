"""What reading a file did to it, said in words: a line for every column, a warning for whatever is
not as it stood.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

MANY = 12  # units, inputs, subjects or values that are listed one by one


class Said(NamedTuple):
    """columns: how each was understood; warnings: what was filled, dropped, re-ordered or
    re-interpreted, counted.

    Readers add to both lists.
    """

    columns: list[str]
    warnings: list[str]


def nothing() -> Said:
    return Said([], [])


def percent(part: Any, whole: float) -> str:
    return f"{100.0 * float(part) / max(whole, 1):.1f} %"


def counted(part: Any, whole: int, what: str = "rows") -> str:
    """`283 of 640 rows (44.2 %)`."""
    return f"{int(part)} of {whole} {what} ({percent(part, whole)})"


def listed(names: Iterable[str]) -> str:
    every = list(names)
    more = f", and {len(every) - MANY} more" if len(every) > MANY else ""
    return ", ".join(every[:MANY]) + more


def tally(values: np.ndarray) -> str:
    """`-1 (283 rows), 0 (26), 1 (331)`: every distinct value, NaN last, with its number of rows."""
    distinct, rows = np.unique(values, return_counts=True)
    each = [f"{plain(value)} ({n})" for value, n in zip(distinct, rows, strict=True)]
    if each:
        each[0] = each[0].removesuffix(")") + " rows)"
    return listed(each)


def plain(value: Any) -> str:
    """A value as a user writes it: 1 for 1.0, true for True, left for 'left', but ' left' where
    there is a blank.
    """
    if isinstance(value, bool | np.bool_):
        return str(bool(value)).lower()
    if isinstance(value, str):
        return str(value) if value and value == value.strip() else repr(str(value))
    return f"{float(value):g}"
