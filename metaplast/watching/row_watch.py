"""A look at the folder of a row while it trains."""

import json
import math
import os
import statistics
from collections import deque
from collections.abc import Sequence
from pathlib import Path

from metaplast.runs.folder import CHECKPOINTS, RECORD
from metaplast.runs.metrics import METRICS, NewLines, Tail
from metaplast.training.diverged import MAX_SKIPPED
from metaplast.watching.seen import DIVERGED, DONE, JUDGING, TRAINING, WAITING, RowSeen

RECENT = 20
"""Outer steps behind the pace."""


class RowWatch:
    """A row that is looked at again and again. Only new lines are read."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder = folder
        self.name = name
        self._tail = Tail(folder / METRICS)
        self._forget()

    def _forget(self) -> None:
        self._done = 0
        self._losses: list[float] = []
        self._seconds: deque[float] = deque(maxlen=RECENT)
        self._lives = 0
        self._diverged = 0
        self._skipped = 0
        self._falls = 0
        self._bad = 0  # steps in a row without a finite loss
        self._unreadable = 0

    def look(self, total: int | None) -> RowSeen:
        """The row as it is now.

        Args:
            total: its outer steps; None where they are not known.
        """
        new = self._new_lines()
        if new.anew:
            self._forget()
        for line in new.lines:
            self._take(line)
        state = self._state(total)
        if state == DONE:
            total = self._done
        pace = None
        if self._seconds:
            # One step may hold a compilation, as the first one after a resume does.
            pace = statistics.median(self._seconds)
        return RowSeen(
            name=self.name,
            state=state,
            done=self._done,
            total=total,
            losses=self._losses,
            pace=pace,
            lives=self._lives,
            diverged_lives=self._diverged,
            skipped=self._skipped,
            falls=self._falls,
            unreadable=self._unreadable,
            damaged=len(self._checkpoints(damaged=True)),
        )

    def has_no_checkpoint(self) -> bool:
        """Whether all checkpoints of the row were set aside as damaged."""
        return bool(self._checkpoints(damaged=True)) and not self._checkpoints(damaged=False)

    def signs(self) -> list[Path]:
        """The files and folders that change while the row is worked on."""
        return [self.folder / name for name in (METRICS, CHECKPOINTS, RECORD)]

    def _new_lines(self) -> NewLines:
        try:
            return self._tail.read()
        except OSError:  # a file server that is away comes back
            return NewLines([], anew=False)

    def _take(self, line: bytes) -> None:
        """Count a line of metrics.jsonl."""
        try:
            fields = json.loads(line)
            step = int(fields["outer_step"])
            loss = float(fields["loss"])
            seconds = float(fields["wall_s"])
            lives = int(fields.get("lives", 0))
            diverged = int(fields.get("diverged", 0))
            skipped = int(fields.get("skipped", 0))
            falls = int(fields.get("falls", 0))
        except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError):
            self._unreadable += 1
            return
        is_finite = math.isfinite(loss)
        self._done = step
        self._losses.append(loss if is_finite else math.nan)
        self._bad = 0 if is_finite else self._bad + 1
        if step > 1 and math.isfinite(seconds):
            self._seconds.append(seconds)
        self._lives += lives
        self._diverged += diverged
        self._skipped = skipped
        self._falls = falls

    def _state(self, total: int | None) -> str:
        if os.path.isfile(self.folder / RECORD):
            return DONE
        if self._bad >= MAX_SKIPPED:
            return DIVERGED
        if total and self._done >= total:
            return JUDGING
        return TRAINING if self._done else WAITING

    def _checkpoints(self, damaged: bool) -> Sequence[str]:
        """The names of the checkpoints that are whole, or of those that were set aside."""
        try:
            names = os.listdir(self.folder / CHECKPOINTS)
        except OSError:
            return []
        if damaged:
            return [name for name in names if ".damaged" in name]
        return [name for name in names if name.isdigit()]


def merged(rows: Sequence[RowSeen]) -> RowSeen:
    """One row of several runs as one row, whose steps are those of all of them.

    A run that diverged has no more steps to do.
    """
    if len(rows) == 1:
        return rows[0]
    states = [row.state for row in rows]
    state = DONE
    for word in (TRAINING, JUDGING, WAITING, DIVERGED):
        if word in states:
            state = word
            break
    totals = []
    paces = []
    done = 0
    for row in rows:
        done += row.done
        if row.state == DIVERGED:
            totals.append(row.done)
        elif row.total is not None:
            totals.append(row.total)
        if row.pace is not None:
            paces.append(row.pace)
    return RowSeen(
        name=rows[0].name,
        state=state,
        done=done,
        total=sum(totals) if len(totals) == len(rows) else None,
        losses=_means([row.losses for row in rows]),
        pace=statistics.mean(paces) if paces else None,
        lives=sum(row.lives for row in rows),
        diverged_lives=sum(row.diverged_lives for row in rows),
        skipped=sum(row.skipped for row in rows),
        falls=sum(row.falls for row in rows),
        unreadable=sum(row.unreadable for row in rows),
        damaged=sum(row.damaged for row in rows),
    )


def _means(curves: Sequence[Sequence[float]]) -> list[float]:
    """The mean of the finite losses at every outer step; NaN where there is none."""
    means = []
    for step in range(max(map(len, curves))):
        finite = []
        for curve in curves:
            if step < len(curve) and math.isfinite(curve[step]):
                finite.append(curve[step])
        means.append(statistics.fmean(finite) if finite else math.nan)
    return means
