"""The kind of run that `metaplast train` makes: the rows of a table, of one seed or of several."""

import logging
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

from metaplast.diagnosis import choice
from metaplast.fitting import data_reading
from metaplast.registry import BadInput
from metaplast.results import summary
from metaplast.runs import environment, folder, lifecycle, notebook, preflight
from metaplast.runs.config import Plain
from metaplast.runs.counted import Counted
from metaplast.runs.job import Job, Run, check_job, parse
from metaplast.runs.lifecycle import CompareOptions, Means, Request, RunKind
from metaplast.runs.workers import Workers
from metaplast.settings.names import REPORT
from metaplast.training import group, group_result, side_by_side
from metaplast.training.summary import auto_choice
from metaplast.training.table_run import train_and_judge

log = logging.getLogger(__name__)


class TrainingPlan(NamedTuple):
    """The plan of a training.

    folder: the folder of the run or of the group.
    runs: all runs, checked.
    jobs: rows at a time.
    """

    folder: Path
    runs: list[Run]
    jobs: int


class Training(RunKind[TrainingPlan]):
    """A run of a table, or a group of runs (`seeds`, `vary`) in one folder."""

    marker = ""
    noun = "training runs"
    counted = Counted("outer steps")
    compare_options = ("row", "against")
    rows_at_a_time = True

    def check(self, request: Request, path: Path | None, means: Means) -> TrainingPlan:
        several, plain = group.split(request.plain)
        job = parse(plain, check=False)
        path = path or folder.fresh_path(job.main.experiment, several.label(job.main.seed))
        runs = several.runs(job, path)
        jobs = 1 if notebook.is_here(job.plain) else means.jobs
        if means.joined is not None:
            jobs = 1
        return TrainingPlan(path, runs, _check(runs, jobs, _n_devices(job, path, means)))

    def settled(self, request: Request, means: Means) -> Request:
        if not choice.open_choice(request.plain):
            return request
        if means.joined is not None:
            raise BadInput(
                "outer=auto with several processes",
                "a choice that all of them share",
                "ask metaplast diagnose, and name the loop",
            )
        _, plain = group.split(request.plain)
        fields = choice.choose(parse(plain).main)
        return request._replace(
            plain={**request.plain, "outer": {**request.plain["outer"], **fields}}
        )

    def config(self, request: Request) -> Plain:
        several, plain = group.split(request.plain)
        return plain if several.alone else request.plain

    def files(self, request: Request) -> dict[str, str]:
        _, plain = group.split(request.plain)
        return parse(plain, check=False).main.task.files()

    def has_spikes(self, request: Request) -> bool:
        _, plain = group.split(request.plain)
        for _, config in parse(plain, check=False).rows:
            wiring = config.meta_problem().lifetime.wiring()
            if any(wiring.spikes(population) for population in wiring.populations):
                return True
        return False

    def n_devices(self, request: Request) -> int:
        # A group begins a run for every seed, and parsing its config again would cost 40 ms each.
        return int(request.plain.get("problem", {}).get("n_devices", 1))

    def begin(self, plan: TrainingPlan, means: Means) -> None:
        data_reading.warn(plan.runs[0].job)
        words = _size(plan)
        if means.joined is not None:
            place = means.joined.place
            words += f", devices: {place.devices}, processes: {place.processes}"
        means.say(f"{plan.folder}: {words}")
        chosen = auto_choice(plan.runs[0].job.main.outer)
        if chosen is not None:
            means.say(f"outer=auto: {chosen.name}, for {chosen.reason}")
            log.info(
                "outer=auto: %s, for %s (%s)",
                chosen.name,
                chosen.reason,
                ", ".join(chosen.measured),
            )

    def execute(self, plan: TrainingPlan, means: Means) -> None:
        here = notebook.is_here(plan.runs[0].job.plain)
        workers = Workers(plan.jobs, means.modules, here, means.joined)
        with ExitStack() as stack:
            for run in plan.runs:
                if run.folder != plan.folder:
                    # A run of a group has a folder as if it had run alone.
                    request = Request(run.job.plain)
                    stack.enter_context(lifecycle.opened(self, request, run.folder, means))
                    n = lifecycle.n_devices(self, request, means)
                    environment.record_devices(run.folder, n)
            train_and_judge(plan.folder, plan.runs, workers, means)

    def finished(self, path: Path) -> bool:
        runs = group.members(path)
        files = []
        for run in runs:
            files += [run.folder / summary.FILE, run.folder / REPORT]
        if runs[0].folder != path:
            files.append(path / group_result.RESULT)
        return all(map(Path.is_file, files))

    def render(self, path: Path, as_json: bool = False) -> str:
        return group_result.as_json(path) if as_json else group_result.render(path)

    def compare(self, paths: Sequence[Path], how: CompareOptions) -> str:
        return side_by_side.compare(paths, how.row, how.against)

    def demand_whole(self, path: Path) -> None:
        group_result.demand_whole(path)


KIND = Training()


def _n_devices(job: Job, path: Path, means: Means) -> int | None:
    """The devices that a run may ask for; None: those of this process.

    A run that has begun goes on with those that there are.
    """
    if means.joined is not None:
        return means.joined.place.devices
    if not (path / environment.FILE).is_file():
        return None
    return job.main.problem.n_devices


def _check(runs: Sequence[Run], jobs: int | None, n_devices: int | None) -> int:
    """The number of rows at a time.

    Args:
        runs: all runs.
        jobs: the number that was asked for; None: as many as fit.
        n_devices: the devices that there are; None: those of this process.

    Raises: BadInput for a run that cannot be carried out.
    """
    together = group.programs(runs)
    group.check_lockstep(runs)
    jobs_of_programs = [several[0].job for several in together]
    for job in jobs_of_programs:
        check_job(job)
    n = max(map(len, together))
    lockstep = runs[0].lockstep
    if jobs is None:
        jobs = preflight.fitting_jobs(jobs_of_programs[0], n, lockstep)
    preflight.check(jobs_of_programs[0], jobs, n, lockstep, n_devices)
    for job in jobs_of_programs[1:]:
        preflight.check_splits(job.main)
    return jobs


def _size(plan: TrainingPlan) -> str:
    """The size of a run in words."""
    job = plan.runs[0].job
    n_rows = len(job.rows) + len(job.main.references())
    words = "1 row"
    if n_rows > 1:
        words = f"{n_rows} rows"
    if len(plan.runs) > 1:
        words = f"{len(plan.runs)} runs of {words}"
    if n_rows > 1:
        words += f", {min(plan.jobs, n_rows)} at a time"
    return words
