"""The record of a finished row of a table, as in row.json."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator

from metaplast.results.summary import HalvingResult, SearchRecord, halving_to_json
from metaplast.results.typed_json import Plain, from_plain
from metaplast.runs.folder import RECORD, read_json


@dataclass(frozen=True)
class RowRecord:
    """The record of a row that was trained, or of a reference.

    name: of the row.
    diverged_lives: training lives that were not finite and were left out.
    wall_s: seconds of training and judging; None in a file of a version that did not measure them.
    search: of a trained row; None where nothing is learned.
    halving: the effect of half of dt; None where it was not measured.
    chosen: of a reference, the numbers that were chosen on validation lives; None for another row.
    """

    name: str
    diverged_lives: int = 0
    wall_s: float | None = None
    search: Annotated[SearchRecord | None, BeforeValidator(lambda plain: plain or None)] = None
    halving: HalvingResult | None = None
    chosen: dict[str, Any] | None = None


def to_json(record: RowRecord) -> Plain:
    """The record as row.json holds it."""
    plain: Plain = {"name": record.name, "diverged_lives": record.diverged_lives}
    if record.chosen is not None:
        return plain | {"chosen": record.chosen, "wall_s": record.wall_s}
    plain["search"] = asdict(record.search) if record.search is not None else {}
    plain["wall_s"] = record.wall_s
    if record.halving is not None:
        plain["halving"] = halving_to_json(record.halving)
    return plain


def read_record(folder: Path) -> RowRecord:
    """Read row.json of a row's folder, also one that an earlier version wrote.

    Raises: BadInput for a file of another form.
    """
    file = folder / RECORD
    return from_plain(RowRecord, read_json(file), f"{file}")


def chosen_step(folder: Path) -> int:
    """The outer step of the chosen theta of a trained row; 0, the start, where nothing was learned.

    Raises: BadInput for a file of another form.
    """
    search = read_record(folder).search
    return (search.chosen_step if search is not None else None) or 0
