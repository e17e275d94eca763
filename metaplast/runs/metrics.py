"""metrics.jsonl: one object per outer step, each step exactly once."""

import json
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

from metaplast.runs.folder import named, write_text


class MetricsFile:
    """Appends one line per outer step; opening it for a resumed run cuts it back to the restored
    step.
    """

    def __init__(self, path: Path, step: int) -> None:
        write_text(path, "".join(f"{line}\n" for line in _whole_lines(path)[:step]))
        self._handle: TextIO = path.open("a")

    def write(
        self,
        step: int,
        metrics: Mapping[str, Any],
        wall_s: float,
        vectors: Mapping[str, Sequence[float]] | None = None,
    ) -> None:
        """The scalars among `metrics`, and `vectors` as lists with six significant digits.

        A number that is not finite is written as text, so that it is seen and the line stays JSON.
        """
        row: dict[str, Any] = {"outer_step": step, "wall_s": round(wall_s, 4)}
        row |= {
            name: plain_number(value)
            for name, value in sorted(metrics.items())
            if getattr(value, "ndim", 0) == 0
        }
        for name, values in (vectors or {}).items():
            row[name] = [plain_number(float(f"{value:.6g}")) for value in values]
        with named(Path(self._handle.name)):
            self._handle.write(json.dumps(row, allow_nan=False) + "\n")
            self._handle.flush()

    def sync(self) -> None:
        """Make every line written so far durable."""
        with named(Path(self._handle.name)):
            os.fsync(self._handle.fileno())

    def close(self) -> None:
        self._handle.close()


def read(path: Path) -> list[dict[str, Any]]:
    """All whole lines."""
    return [json.loads(line) for line in _whole_lines(path)]


def logged(path: Path) -> int:
    """How many outer steps stand in a file one after the other from 1 on; what follows damage does
    not count.
    """
    for index, line in enumerate(lines := _whole_lines(path)):
        try:
            if json.loads(line)["outer_step"] != index + 1:
                return index
        except (ValueError, TypeError, KeyError, RecursionError):
            return index
    return len(lines)


def count(path: Path) -> int:
    """How many outer steps a file holds so far."""
    return len(_whole_lines(path))


def plain_number(value: Any) -> int | float | str:
    """A JSON number; `nan`, `inf`, `-inf` become text."""
    number = value.item() if hasattr(value, "item") else value
    return number if isinstance(number, int) or math.isfinite(number) else str(number)


def _whole_lines(path: Path) -> list[str]:
    if not path.is_file():
        return []
    text = path.read_text(errors="replace")
    return [line for line in text[: text.rfind("\n") + 1].splitlines() if line]
