"""What is seen of a run from outside, at one moment."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from metaplast.api.pace import Work, time_left

WAITING = "waiting"
"""Of a row or a run: it has not begun."""
TRAINING = "training"
"""Of a row."""
JUDGING = "judging"
"""Of a row: all outer steps are done, and its scores are not."""
RUNNING = "running"
"""Of a run: a process of this host works in it, or its files grow."""
UNKNOWN = "unknown"
"""Of a run: it is not finished, and whether a process of another host works in it is not seen."""
INTERRUPTED = "interrupted"
"""Of a run: a signal stopped it, and `metaplast resume` goes on with it."""
DONE = "done"
DIVERGED = "diverged"
"""Of a row or a run: it ended for want of finite losses."""
DAMAGED = "damaged"
"""Of a run: no checkpoint of a row is usable."""
FAILED = "failed"
"""Of a member of a sweep: it ended with another error."""
ENDED = (DONE, DIVERGED, DAMAGED, FAILED)


@dataclass(frozen=True)
class RowSeen:
    """A row of a run, or of all runs of a group together.

    name: of the row.
    state: one of the words above.
    done: outer steps that are done.
    total: outer steps; None where they are not known, 0 for a reference. A row that is done has
        those that it made: a row that learns nothing makes none.
    losses: the loss of every outer step; NaN where it is not finite.
    pace: seconds of an outer step; None where it is not known.
    lives: training lives so far.
    diverged_lives: training lives that were not finite and were left out.
    skipped: outer steps that did not move theta.
    falls: how often the search got lost and was led back.
    unreadable: lines of metrics.jsonl that are no record of a step.
    damaged: checkpoints that were set aside.
    """

    name: str
    state: str
    done: int = 0
    total: int | None = None
    losses: Sequence[float] = ()
    pace: float | None = None
    lives: int = 0
    diverged_lives: int = 0
    skipped: int = 0
    falls: int = 0
    unreadable: int = 0
    damaged: int = 0

    @property
    def counted(self) -> int:
        """The outer steps that need no more time: those that are done, of a diverged row all."""
        if self.state == DIVERGED and self.total is not None:
            return self.total
        return self.done

    @property
    def steps_per_s(self) -> float | None:
        """Outer steps per second; None where they are not known."""
        return 1.0 / self.pace if self.pace else None


class Facts(NamedTuple):
    """What a folder records of its run, each "" where it records nothing.

    experiment: its name.
    seeds: the seed, or the first and the last one.
    begun: the moment, in UTC.
    devices: their number and kind.
    """

    experiment: str = ""
    seeds: str = ""
    begun: str = ""
    devices: str = ""


@dataclass(frozen=True)
class RunSeen:
    """A run, a group of runs or a sweep.

    path: its folder.
    kind: `run`, `group` or `sweep`.
    state: one of the words above.
    process: the process of this host that works in it; None where none is seen.
    quiet_s: seconds since a file changed; None where there is none.
    facts: what the folder records.
    rows: of a run, or of all runs of a group together; none of a sweep.
    parts: the runs of a group, or the members of a sweep.
    faults: what went wrong in it, in words; without those of the parts.
    warnings: the last warnings of its log.
    code: the exit code of a member of a sweep that failed; else 0.
    """

    path: Path
    kind: str
    state: str
    process: int | None = None
    quiet_s: float | None = None
    facts: Facts = field(default_factory=Facts)
    rows: Sequence[RowSeen] = ()
    parts: Sequence["RunSeen"] = ()
    faults: Sequence[str] = ()
    warnings: Sequence[str] = ()
    code: int = 0

    @property
    def done(self) -> int:
        """Outer steps that need no more time, of all rows."""
        if self.kind == "sweep":
            return sum(part.done for part in self.parts)
        return sum(row.counted for row in self.rows)

    @property
    def total(self) -> int | None:
        """Outer steps of all rows; None where they are not known."""
        if self.kind == "sweep":
            return _sum([part.total for part in self.parts])
        return _sum([row.total for row in self.rows]) if self.rows else None

    @property
    def left_s(self) -> float | None:
        """Seconds until the run is done; None where they are not known, or where it has ended."""
        if self.state in (*ENDED, INTERRUPTED, WAITING):
            return None
        if self.kind == "sweep":
            return _left_of_members(self.parts)
        works = []
        for row in self.rows:
            if row.total is None:
                return None
            works.append(Work(row.total, row.counted, row.pace))
        return time_left(works)

    @property
    def all_faults(self) -> list[str]:
        """Its faults, and those of its parts behind their names."""
        faults = list(self.faults)
        for part in self.parts:
            faults += [f"{part.path.name}: {fault}" for fault in part.all_faults]
        return faults


def _left_of_members(members: Sequence[RunSeen]) -> float | None:
    """Seconds until all members of a sweep have ended.

    A member that has not begun takes the mean time of the others. As many go on at a time as now.
    """
    known = []
    for member in members:
        if member.total is not None:
            known.append(member.total)
    if not known:
        return None
    mean = sum(known) / len(known)
    works = []
    for member in members:
        total = mean if member.total is None else member.total
        if member.state in ENDED:
            continue
        pace = None
        left = member.left_s
        if left is not None and total > member.done:
            pace = left / (total - member.done)
        works.append(Work(total, member.done, pace))
    return time_left(works)


def _sum(totals: Sequence[int | None]) -> int | None:
    """The sum; None where one is not known."""
    known = [total for total in totals if total is not None]
    return sum(known) if len(known) == len(totals) else None
