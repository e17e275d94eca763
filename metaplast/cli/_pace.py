"""How long the work that is left will take, from what was counted of it so far."""

from collections.abc import Callable
from typing import NamedTuple

ENOUGH_S, ENOUGH_COUNTS = 1.0, 10  # a pace is known after as many seconds or counts as this


class Stage(NamedTuple):
    """total, done: counts; since, begun: when it was first seen under way and what was done then;
    pace: seconds per count, None while it is not known."""

    total: float
    done: float
    since: float
    begun: float
    pace: float | None


class Pace:
    """Stages as they are reported. The first count of a stage is left out: a compilation may be in
    it.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self.clock = clock
        self.stages: dict[str, Stage] = {}

    def seen(self, name: str, done: float, total: float) -> None:
        """`done` of `total` counts of a stage; fewer than before where it begins anew."""
        now, before = self.clock(), self.stages.get(name)
        if before is None or before.done == 0 or done < before.done:
            self.stages[name] = Stage(total, done, now, done, before.pace if before else None)
            return
        counted, passed = done - before.begun, now - before.since
        known = counted > 0 and (passed >= ENOUGH_S or counted >= ENOUGH_COUNTS)
        self.stages[name] = before._replace(
            total=total, done=done, pace=passed / counted if known else before.pace
        )

    def left(self) -> float | None:
        """Seconds until every stage is done. One that has not begun goes at the mean pace of the
        others; as many run at a time as do now. None while no pace is known."""
        known = [stage.pace for stage in self.stages.values() if stage.pace is not None]
        if not known:
            return None
        mean = sum(known) / len(known)
        work = 0.0
        for stage in self.stages.values():
            work += (stage.total - stage.done) * (mean if stage.pace is None else stage.pace)
        under_way = sum(0 < stage.done < stage.total for stage in self.stages.values())
        return work / max(1, under_way)
