"""The file metrics.jsonl: one JSON object for every outer step."""

import json
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TextIO

from metaplast.registry import BadInput
from metaplast.runs.folder import naming_errors, write_text

METRICS = "metrics.jsonl"


class MetricsFile:
    """An open metrics.jsonl, to which one line is appended for every outer step."""

    def __init__(self, path: Path, step: int) -> None:
        """Open a file and cut it back to an outer step.

        Args:
            path: the file; it may not exist yet.
            step: the outer step of the restored state. Later lines are dropped.
        """
        write_text(path, "".join(f"{line}\n" for line in _whole_lines(path)[:step]))
        self._handle: TextIO = path.open("a")

    def write(
        self,
        step: int,
        metrics: Mapping[str, Any],
        wall_s: float,
        vectors: Mapping[str, Sequence[float]] | None = None,
    ) -> None:
        """Append a line. A number that is not finite is written as text, so the line stays JSON.

        Args:
            step: the outer step.
            metrics: {name: value}. Only scalars are written.
            wall_s: seconds that the step took.
            vectors: {name: numbers}, written as lists with six significant digits.
        """
        line: dict[str, Any] = {"outer_step": step, "wall_s": round(wall_s, 4)}
        for name, value in sorted(metrics.items()):
            if getattr(value, "ndim", 0) == 0:
                line[name] = plain_number(value)
        for name, values in (vectors or {}).items():
            line[name] = []
            for value in values:
                line[name].append(plain_number(float(f"{value:.6g}")))
        with naming_errors(Path(self._handle.name)):
            self._handle.write(json.dumps(line, allow_nan=False) + "\n")
            self._handle.flush()

    def sync(self) -> None:
        """Make every line written so far durable."""
        with naming_errors(Path(self._handle.name)):
            os.fsync(self._handle.fileno())

    def close(self) -> None:
        """Close the file."""
        self._handle.close()


class NewLines(NamedTuple):
    """The lines that a file got since the last look.

    lines: whole lines, without their ends.
    anew: whether they are all lines of the file: it is new, or a resumed run replaced it.
    """

    lines: list[bytes]
    anew: bool


class Tail:
    """The lines of a metrics.jsonl that another process writes. Each is read once."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._inode = -1
        self._size = 0

    def read(self) -> NewLines:
        """The whole lines since the last look; a line that is still being written comes later.

        Raises: OSError where the file cannot be read. A file that is not there has no lines.
        """
        if not self._path.is_file():
            return NewLines([], anew=False)
        with self._path.open("rb") as file:
            status = os.fstat(file.fileno())
            anew = status.st_ino != self._inode or status.st_size < self._size
            start = 0 if anew else self._size
            file.seek(start)
            content = file.read()
        whole = content[: content.rfind(b"\n") + 1]
        self._inode = status.st_ino
        self._size = start + len(whole)
        return NewLines(whole.splitlines(), anew)


def read(path: Path) -> list[dict[str, Any]]:
    """The objects of all whole lines of a file. Raises: BadInput for a damaged line."""
    objects = []
    for number, line in enumerate(_whole_lines(path), 1):
        try:
            fields = json.loads(line)
        except (ValueError, RecursionError):
            fields = None
        if not isinstance(fields, dict):
            raise _damaged(path, number, "a JSON object")
        objects.append(fields)
    return objects


def values(path: Path, metric: str) -> list[float]:
    """The values of a metric at all outer steps. Raises: BadInput for a line without a number."""
    numbers = []
    for number, line in enumerate(read(path), 1):
        try:
            numbers.append(float(line[metric]))
        except (KeyError, TypeError, ValueError):
            raise _damaged(path, number, f"a number {metric}") from None
    return numbers


def _damaged(path: Path, number: int, expected: str) -> BadInput:
    what = f"{path}, line {number}, damaged"
    return BadInput(what, expected, "restore the file, or run again")


def last_logged_step(path: Path) -> int:
    """The last outer step up to which a file holds every step; lines after damage do not count."""
    lines = _whole_lines(path)
    for index, line in enumerate(lines):
        try:
            if json.loads(line)["outer_step"] != index + 1:
                return index
        except (ValueError, TypeError, KeyError, RecursionError):
            return index
    return len(lines)


def count(path: Path) -> int:
    """The number of outer steps in a file."""
    return len(_whole_lines(path))


def plain_number(value: Any) -> int | float | str:
    """A number for JSON; `nan`, `inf` and `-inf` become text."""
    number = value.item() if hasattr(value, "item") else value
    if isinstance(number, int) or math.isfinite(number):
        return number
    return str(number)


def _whole_lines(path: Path) -> list[str]:
    if not path.is_file():
        return []
    text = path.read_text(errors="replace")
    whole = text[: text.rfind("\n") + 1]
    return [line for line in whole.splitlines() if line]
