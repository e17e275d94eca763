"""The forecast of the time that is left, from the counts so far."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

ENOUGH_S = 1.0
"""Seconds after which the pace of a stage is known."""
ENOUGH_COUNTS = 10
"""Counts after which the pace of a stage is known."""


class Stage(NamedTuple):
    """A stage of the work.

    total: all counts.
    done: counts that are done.
    since: time at which it was first seen under way.
    begun: counts that were done at that time.
    pace: seconds per count; None while it is unknown.
    """

    total: float
    done: float
    since: float
    begun: float
    pace: float | None


class Work(NamedTuple):
    """A part of the work.

    total: all counts.
    done: counts that are done.
    pace: seconds per count; None while it is unknown.
    """

    total: float
    done: float
    pace: float | None


def time_left(parts: Sequence[Work]) -> float | None:
    """Seconds until all parts are done; None while no pace is known.

    A part without a pace has the mean pace of the others. As many parts go on at a time as now.
    """
    paces = []
    for part in parts:
        if part.pace is not None:
            paces.append(part.pace)
    if not paces:
        return None
    mean = sum(paces) / len(paces)
    seconds = 0.0
    for part in parts:
        pace = mean if part.pace is None else part.pace
        seconds += (part.total - part.done) * pace
    under_way = sum(0 < part.done < part.total for part in parts)
    return seconds / max(1, under_way)


class Pace:
    """The pace of all stages.

    The first count of a stage is left out, because it may hold a compilation.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self.clock = clock
        self.stages: dict[str, Stage] = {}

    def seen(self, name: str, done: float, total: float) -> None:
        """Note the progress of a stage. A stage with fewer counts than before begins anew.

        Args:
            name: the stage.
            done: counts that are done.
            total: all counts.
        """
        now = self.clock()
        stage = self.stages.get(name)
        if stage is None or stage.done == 0 or done < stage.done:
            pace = stage.pace if stage else None
            self.stages[name] = Stage(total, done, since=now, begun=done, pace=pace)
            return
        counts = done - stage.begun
        seconds = now - stage.since
        pace = stage.pace
        if counts > 0 and (seconds >= ENOUGH_S or counts >= ENOUGH_COUNTS):
            pace = seconds / counts
        self.stages[name] = stage._replace(total=total, done=done, pace=pace)

    def left(self) -> float | None:
        """Seconds until all stages are done, see `time_left`."""
        parts = []
        for stage in self.stages.values():
            parts.append(Work(stage.total, stage.done, stage.pace))
        return time_left(parts)
