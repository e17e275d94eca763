"""Plain rows: a list of named values that a notebook shows as a table."""

import math
from collections.abc import Iterator, Sequence
from importlib import import_module
from typing import Any, ClassVar, Generic, NamedTuple, TypeVar, overload

from metaplast.registry import BadInput
from metaplast.results.numbers import number
from metaplast.results.summary import RowScore, TrainedRow
from metaplast.results.table import RowFacts, aligned
from metaplast.reuse import html

Row = TypeVar("Row", bound=tuple)
SHOWN = 60
"""Rows that a table in a notebook shows."""


class Rows(Sequence[Row], Generic[Row]):
    """A table: named tuples of one kind, in their order.

    HIDDEN: columns that a printed table leaves out.
    """

    HIDDEN: ClassVar[tuple[str, ...]] = ()

    def __init__(self, rows: Sequence[Row], columns: Sequence[str]) -> None:
        """Hold rows.

        Args:
            rows: the rows.
            columns: the names of their fields.
        """
        self._rows = tuple(rows)
        self.columns = tuple(columns)

    @overload
    def __getitem__(self, index: int) -> Row: ...

    @overload
    def __getitem__(self, index: slice) -> "Rows[Row]": ...

    def __getitem__(self, index: int | slice) -> "Row | Rows[Row]":
        if isinstance(index, slice):
            return type(self)(self._rows[index], self.columns)
        return self._rows[index]

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[Row]:
        return iter(self._rows)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Rows) and self._rows == other._rows

    def __hash__(self) -> int:
        return hash(self._rows)

    def column(self, name: str) -> list[Any]:
        """The values of one column.

        Args:
            name: the name of the column.

        Raises: BadInput for a column that the table does not have.
        """
        if name not in self.columns:
            raise BadInput(f"column {name!r}", f"one of {', '.join(self.columns)}", "choose one")
        place = self.columns.index(name)
        return [row[place] for row in self._rows]

    def to_pandas(self) -> Any:
        """The table as a `pandas.DataFrame`.

        Raises: BadInput where pandas is not installed.
        """
        try:
            pandas: Any = import_module("pandas")
        except ImportError:
            raise BadInput(
                "to_pandas()", "pandas, which is not here", "pip install pandas"
            ) from None
        return pandas.DataFrame(list(self._rows), columns=list(self.columns))

    def _cells(self) -> list[tuple[str, ...]]:
        """The first rows as text, under the names of their columns; a column of lists is left out.

        A column of `HIDDEN` is left out too, and one in which every text is empty.
        """
        shown = []
        for place, name in enumerate(self.columns):
            values = [row[place] for row in self._rows[:SHOWN]]
            holds_lists = any(isinstance(value, list) for value in values)
            if name not in self.HIDDEN and not holds_lists and any(value != "" for value in values):
                shown.append(place)
        lines = [tuple(self.columns[place] for place in shown)]
        for row in self._rows[:SHOWN]:
            lines.append(tuple(_cell(row[place]) for place in shown))
        return lines

    def __repr__(self) -> str:
        lines = self._cells()
        words = [aligned(lines)] if self._rows else [f"no rows of {', '.join(self.columns)}"]
        if len(self._rows) > SHOWN:
            words.append(f"... {len(self._rows)} rows")
        return "\n".join(words)

    def _repr_html_(self) -> str:
        head, *cells = self._cells()
        more = ""
        if len(self._rows) > SHOWN:
            more = html.line(f"{len(self._rows)} rows")
        return html.table(head, cells) + more


class Score(NamedTuple):
    """The score of one row of a run on held-out lives.

    name: of the row.
    mean: over lives, then over seeds; NaN where a life is not finite.
    low, high: the ends of its 95 % interval.
    n: lives.
    metric: of the values.
    difference: mean paired difference to the discovered row.
    difference_low, difference_high: the ends of its 95 % interval.
    not_finite: lives with a value that is not finite.
    reach: the widest reach of a field that the row's rules read.
    feedback: its credit signal.
    learned: numbers that it learned; None for a reference.
    verdict: on its search: trained, not trained, overfitted; "" where none is known.
    setting: the difference of its run to the first run, as words; "" for one setting.
    """

    name: str
    mean: float
    low: float
    high: float
    n: int
    metric: str
    difference: float
    difference_low: float
    difference_high: float
    not_finite: int
    reach: str
    feedback: str
    learned: int | None
    verdict: str
    setting: str


def scores_of(
    scores: Sequence[RowScore], facts: dict[str, RowFacts], setting: str = ""
) -> list[Score]:
    """The rows of a table of scores.

    Args:
        scores: of all rows.
        facts: {row: facts}.
        setting: the difference of the runs to the first setting.
    """
    rows = []
    for score in scores:
        reach = feedback = "-"
        learned = None
        verdict = ""
        if score.name in facts:
            row = facts[score.name].row
            reach = row.reach
            feedback = row.feedback
            if isinstance(row, TrainedRow):
                learned = row.learned
                verdict = row.verdict.state if row.verdict is not None else ""
        rows.append(
            Score(
                name=score.name,
                mean=_float(score.mean),
                low=_float(score.ci95[0]),
                high=_float(score.ci95[1]),
                n=score.n,
                metric=score.metric,
                difference=_float(score.difference.mean),
                difference_low=_float(score.difference.ci95[0]),
                difference_high=_float(score.difference.ci95[1]),
                not_finite=score.not_finite,
                reach=reach,
                feedback=feedback,
                learned=learned,
                verdict=verdict,
                setting=setting,
            )
        )
    return rows


class Scores(Rows[Score]):
    """The scores of a run: one `Score` for every row of its table.

    `scores["discovered"]` finds a row by its name.
    """

    HIDDEN = ("difference_low", "difference_high", "not_finite", "feedback", "learned")

    def __init__(self, rows: Sequence[Score], columns: Sequence[str] = Score._fields) -> None:
        """Hold scores.

        Args:
            rows: the scores.
            columns: the fields of a `Score`.
        """
        super().__init__(rows, columns)

    @overload
    def __getitem__(self, index: int | str) -> Score: ...

    @overload
    def __getitem__(self, index: slice) -> "Scores": ...

    def __getitem__(self, index: Any) -> Any:
        """A row by its place or by its name; rows by a slice."""
        if not isinstance(index, str):
            return super().__getitem__(index)
        for score in self:
            if score.name == index:
                return score
        names = dict.fromkeys(score.name for score in self)
        raise BadInput(f"row {index!r}", f"one of {', '.join(names)}", "correct the name")


def _float(value: float | None) -> float:
    """A number; NaN for None, which stands for a number that was not finite."""
    return math.nan if value is None else value


def _cell(value: Any) -> str:
    """A value in a table."""
    if isinstance(value, float):
        return number(value)
    return "" if value is None else str(value)
