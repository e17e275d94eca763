"""The scores of a run in changed worlds, as its folder keeps them: one file per world."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from metaplast.registry import BadInput
from metaplast.results.changed_world import (
    Cell,
    Lived,
    cell,
    lived_from_json,
    lived_to_json,
)
from metaplast.results.table import RowFacts
from metaplast.runs import folder
from metaplast.settings.names import DISCOVERED

FOLDER = "transfer"
"""The folder of these files in a run folder."""
READABLE = 60
"""Characters of a file name that say what was changed."""


def keep(run: Path, lived: Lived) -> Path:
    """Write the file of a changed world; one of the same world is replaced in one step.

    Rows that the old file has on the same lives, and that were not judged now, stay.

    Args:
        run: the folder of the run.
        lived: the lives of its rows in that world.

    Returns: the path of the file.
    """
    path = run / FOLDER / _name(lived.changes)
    path.parent.mkdir(exist_ok=True)
    rows = lived.rows
    if path.is_file():
        old = _read(path)
        if old.metric == lived.metric and _n(old) == _n(lived):
            rows = {**old.rows, **rows}
    folder.write_json(path, lived_to_json(replace(lived, rows=rows)))
    return path


def kept(run: Path) -> list[Lived]:
    """The changed worlds of a run, in the order of their words; none for a run without.

    Raises: BadInput for a damaged file.
    """
    paths = sorted((run / FOLDER).glob("*.json"))
    worlds = [_read(path) for path in paths]
    return sorted(worlds, key=lambda lived: lived.changes)


def _read(path: Path) -> Lived:
    """One file. Raises: BadInput where it is damaged."""
    lived = lived_from_json(folder.read_json(path), str(path))
    lengths = {len(values) for values in lived.rows.values()}
    if DISCOVERED not in lived.rows or len(lengths) != 1 or 0 in lengths:
        raise BadInput(
            f"{path}: rows of {sorted(lengths)} lives",
            f"{DISCOVERED} and other rows on the same lives",
            "remove the file, and judge that world again with metaplast eval",
        )
    return lived


def _n(lived: Lived) -> int:
    """The number of lives."""
    return len(lived.rows[DISCOVERED])


def cells(runs: Sequence[Path], facts: Mapping[str, RowFacts]) -> list[Cell]:
    """The changed worlds of runs that differ in their seed, each with all runs that it has.

    Args:
        runs: the folders of the runs.
        facts: {row: facts} of the runs.

    Raises: BadInput for a damaged file.
    """
    worlds: dict[tuple[str, ...], list[Lived]] = {}
    for run in runs:
        for lived in kept(run):
            worlds.setdefault((lived.metric, *lived.changes), []).append(lived)
    return [cell(lived, facts, DISCOVERED) for lived in worlds.values()]


def _name(changes: Sequence[str]) -> str:
    """The name of the file of a world: a readable piece, and a digest of all words."""
    words = " ".join(changes)
    readable = re.sub(r"[^\w.=-]+", "_", words, flags=re.ASCII)[:READABLE].strip("._")
    digest = hashlib.sha256(words.encode()).hexdigest()[:8]
    return f"{readable}-{digest}.json"
