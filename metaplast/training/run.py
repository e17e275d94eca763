"""One run, or a group of runs, from its config to its folder: every row trained, judged, summed up."""

import logging
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

import jax

from metaplast.fitting import data_reading
from metaplast.runs import folder, preflight, saver
from metaplast.runs.config import Plain, to_yaml
from metaplast.runs.environment import environment, warn_of_other_versions
from metaplast.runs.follower import followed
from metaplast.runs.job import Single, parse
from metaplast.runs.metrics import count
from metaplast.runs.stopping import stoppable
from metaplast.runs.workers import Workers, work_through
from metaplast.settings.names import DISCOVERED
from metaplast.training import group
from metaplast.training.announce import Announcer, Say
from metaplast.training.page import inspect_runs
from metaplast.training.reference_row import judge_reference
from metaplast.training.summary import summarise
from metaplast.training.train_row import train_row

log = logging.getLogger(__name__)
Progress = Callable[[str, int, int], None]  # row, outer steps done, outer steps in all


def start(
    plain: Plain,
    path: Path | None,
    jobs: int | None,
    progress: Progress,
    modules: Sequence[str] = (),
    say: Say = lambda line: None,
) -> Path:
    """A new run, or a group of runs (`seeds`, `vary`) in one folder; `modules` are imported by
    every worker; jobs: rows
    at a time (None: `preflight.fitting_jobs`); `say` is given a line for every finished row.
    Nothing on disk changes unless the config is valid.

    Raises: BadInput, folder.Busy, row.Diverged (of a group: group.demand_whole),
    stopping.Interrupted, OSError.
    """
    several, first = group.split(plain)
    job = parse(first, check=False)
    run = path or folder.fresh_path(job.main.experiment, several.label(job.main.seed))
    runs = several.runs(first, run)
    jobs = _check(runs, jobs)
    folder.create(run)
    with folder.locked(run), folder.logged(run):
        folder.write_text(run / "config.yaml", to_yaml(first if several.alone else plain))
        folder.write_json(run / "environment.json", environment())
        data_reading.warn(job)
        say(f"{run}: {_size(runs, jobs)}")
        with stoppable(run, lambda: None):  # also between its rows and its page
            _execute(run, runs, Workers(jobs, tuple(modules)), progress, say)
    return run


def _size(runs: Sequence[Single], jobs: int) -> str:
    job = parse(runs[0].plain, check=False)
    n_rows = len(job.rows) + len(job.main.references())
    several = f"{len(runs)} runs of " if len(runs) > 1 else ""
    at_once = f", {min(jobs, n_rows)} at a time" if n_rows > 1 else ""
    return f"{several}{n_rows} row{'s' if n_rows > 1 else ''}{at_once}"


def resume(
    run: Path,
    jobs: int | None,
    progress: Progress,
    modules: Sequence[str] = (),
    say: Say = lambda line: None,
) -> Path:
    """Go on with a run or a group from its newest checkpoints; what is finished is left as it is.

    Raises: as `start`; checkpoint.NoCheckpoint.
    """
    folder.check_idle(run)
    runs = group.members(run)
    marks = [
        file for one in runs for file in (one.folder / "summary.json", one.folder / "report.html")
    ]
    finished = all(
        mark.is_file()
        for mark in [*marks, *([] if runs[0].folder == run else [run / group.RESULT])]
    )
    several = 1 if finished else _check(runs, jobs)
    with folder.locked(run), folder.logged(run):
        warn_of_other_versions(run)
        if not finished:
            with stoppable(run, lambda: None):
                _execute(run, runs, Workers(several, tuple(modules)), progress, say)
    return run


def _check(runs: Sequence[Single], jobs: int | None) -> int:
    """How many rows train at a time. Raises: BadInput for what one of the runs cannot do."""
    for one in runs:
        parse(one.plain, check=False)
    together = group.programs(runs)
    group.check_lockstep(runs)
    checked = [parse(several[0].plain) for several in together]
    n = max(map(len, together))
    if jobs is None:
        jobs = preflight.fitting_jobs(checked[0], n, runs[0].lockstep)
    preflight.check(checked[0], jobs, n, runs[0].lockstep)
    for job in checked[1:]:
        preflight.check_splits(job.main)
    return jobs


def _execute(
    run: Path, runs: Sequence[Single], workers: Workers, progress: Progress, say: Say
) -> None:
    """Each run of a group is locked and followed in its own folder too; what is said goes to the
    group's log.txt.
    """
    with ExitStack() as stack:
        for one in runs:
            if one.folder != run:
                one.folder.mkdir(exist_ok=True)
                stack.enter_context(folder.locked(one.folder))
                if not (one.folder / "environment.json").is_file():
                    folder.write_text(one.folder / "config.yaml", to_yaml(one.plain))
                    folder.write_json(one.folder / "environment.json", environment())
            logger = parse(one.plain, check=False).main.logging
            stack.enter_context(followed(one.folder, logger, workers.modules))
        _train_and_judge(run, runs, workers, progress, say)


def _train_and_judge(
    run: Path, runs: Sequence[Single], workers: Workers, progress: Progress, say: Say
) -> None:
    started = time.monotonic()
    saver.HERE.renew()
    job = parse(runs[0].plain, check=False)
    totals = {name: config.outer.n_steps for name, config in job.rows}
    names = [*totals, *dict(job.main.references())]

    def done(name: str) -> dict[Path, int]:
        folders = [folder.row_folder(one.folder, name) for one in runs]
        return {row: count(row / "metrics.jsonl") for row in folders}

    announcer = Announcer(runs, names, say)

    def watch() -> None:
        for name, total in totals.items():
            progress(name, sum(done(name).values()), total * len(runs))
        announcer.look()

    if len(names) > 1:
        work_through(run, runs, names, _work, workers, watch)
    with stoppable(run, saver.HERE.end) as stop:
        steps = done(DISCOVERED)

        def tick(row: Path, step: int) -> None:
            steps[row] = step
            progress(DISCOVERED, sum(steps.values()), totals[DISCOVERED] * len(runs))
            stop.check()

        if len(names) == 1:
            train_row(runs, DISCOVERED, tick)
            announcer.look()
        jax.config.update(
            "jax_enable_x64", job.main.precision == "float64"
        )  # where workers did it, for what follows
        for one in group.unfinished(runs):
            if all((folder.row_folder(one.folder, name) / "row.json").is_file() for name in names):
                wall_s = (time.monotonic() - started) / len(runs)
                summarise(one.folder, parse(one.plain, check=False), wall_s)
        for one in runs:
            if one not in group.unfinished([one]):
                inspect_runs([one.folder], None, n_lives=0)
            stop.check()
        if runs[0].folder != run:
            group.conclude(run, runs, time.monotonic() - started)


def _work(runs: Sequence[Single], name: str) -> None:
    """Train and judge one row of every run."""
    if name in dict(parse(runs[0].plain, check=False).main.references()):
        for one in runs:
            judge_reference(one.folder, one.plain, name)
    else:
        train_row(runs, name)
