"""The kind of run that `metaplast sweep` makes: trainings that differ in words, in one folder."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from metaplast.runs import folder
from metaplast.runs.counted import Counted
from metaplast.runs.lifecycle import CompareOptions, Means, Request, RunKind
from metaplast.settings.names import SWEEP
from metaplast.sweeping import result
from metaplast.sweeping.outcome import MembersFailed, SweepResult, read_result
from metaplast.sweeping.processes import work_through
from metaplast.sweeping.request import Sweep, sweep_of
from metaplast.sweeping.result import conclude


class SweepPlan(NamedTuple):
    """The plan of a sweep.

    folder: of the sweep.
    sweep: its members.
    jobs: members at a time; None: two where there are two cores and memory for two, else one.
    """

    folder: Path
    sweep: Sweep
    jobs: int | None


class Sweeping(RunKind[SweepPlan]):
    """A sweep: every combination of the values of some words.

    `request.request_of` makes the request of a new sweep, and checks its members.
    """

    marker = SWEEP
    noun = "sweeps"
    counted = Counted("members")
    rows_at_a_time = True

    def check(self, request: Request, path: Path | None, means: Means) -> SweepPlan:
        sweep = sweep_of(request.options)
        if path is None:
            experiment = str(sweep.members[0].config.get("experiment", ""))
            path = folder.fresh_path(f"sweep-{experiment}", sweep.n_runs)
        return SweepPlan(path, sweep, means.jobs)

    def begin(self, plan: SweepPlan, means: Means) -> None:
        members = plan.sweep.members
        means.say(f"{plan.folder}: {plan.sweep.n_runs} runs in {len(members)} members")

    def execute(self, plan: SweepPlan, means: Means) -> None:
        started = time.monotonic()
        ends = work_through(plan.folder, plan.sweep.members, plan.jobs, means)
        wall_s = round(time.monotonic() - started, 2)
        conclude(plan.folder, plan.sweep, SweepResult(ends, wall_s))

    def finished(self, path: Path) -> bool:
        known = read_result(path)
        return known is not None and not known.failed

    def render(self, path: Path, as_json: bool = False) -> str:
        return result.as_json(path) if as_json else result.render(path)

    def compare(self, paths: Sequence[Path], how: CompareOptions) -> str:
        return "\n\n".join(result.table_of(path) for path in paths)

    def demand_whole(self, path: Path) -> None:
        known = read_result(path)
        if known is not None and known.failed:
            raise MembersFailed(path, known.failed)


KIND = Sweeping()
