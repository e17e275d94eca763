"""The execution of a run or of a group of runs: every row is trained, judged and summed up."""

import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import jax

from metaplast.runs import folder, planned, row_files
from metaplast.runs.follower import followed
from metaplast.runs.job import Run
from metaplast.runs.lifecycle import Means
from metaplast.runs.metrics import METRICS, count
from metaplast.runs.planned import Planned
from metaplast.runs.same_setting import runs_by_setting
from metaplast.runs.workers import Workers, work_through
from metaplast.training import group_result
from metaplast.training.announce import Announcer
from metaplast.training.page import inspect_runs
from metaplast.training.reference_row import judge_reference
from metaplast.training.summary import summarise
from metaplast.training.train_row import train_row
from metaplast.training.variants import variants_of
from metaplast.training.variants_page import write_variants


def train_and_judge(path: Path, runs: Sequence[Run], workers: Workers, means: Means) -> None:
    """Carry out the runs of a folder. A logger follows each run.

    Args:
        path: the folder.
        runs: its runs.
        workers: the number of workers, and their plug-ins.
        means: progress, text and signals.

    Raises: the errors of `train_row`; Interrupted; WorkerLost.
    """
    with ExitStack() as stack:
        for run in runs:
            if means.follows:
                break
            logger = run.job.main.logging
            stack.enter_context(followed(run.folder, logger, workers.modules))
        _TableRun(path, runs, workers, means).carry_out()


class _TableRun:
    """The rows of all runs of a folder, and their progress."""

    def __init__(self, path: Path, runs: Sequence[Run], workers: Workers, means: Means) -> None:
        self.path = path
        self.runs = runs
        self.workers = workers
        self.means = means
        self.job = runs[0].job
        self.totals = {name: config.outer.n_steps for name, config in self.job.rows}
        self.names = [*self.totals, *dict(self.job.main.references())]
        self.announcer = Announcer(runs, self.names, means.say)

    def carry_out(self) -> None:
        """Train and judge every row, and write the summaries and the pages."""
        started = time.monotonic()
        self._record_plan()
        stop = self.means.stop
        is_alone = self.workers.joined is None
        if is_alone and (len(self.names) == 1 or self.workers.here):
            self._train_here()
        else:
            work_through(self.path, self.runs, self.names, _work, self.workers, self._watch, stop)
        stop.check()
        if self.means.follows:
            return
        # Each worker set the precision of its process. The summary is made in this process.
        jax.config.update("jax_enable_x64", self.job.main.precision == "float64")
        for run in group_result.unfinished(self.runs):
            if self._is_judged(run):
                wall_s = (time.monotonic() - started) / len(self.runs)
                summarise(run.folder, run.job, wall_s)
        for run in self.runs:
            if not group_result.unfinished([run]):
                inspect_runs([run.folder], None, n_lives=0)
            stop.check()
        if self.runs[0].folder != self.path:
            wall_s = time.monotonic() - started
            self._write_group_page(wall_s)
            group_result.conclude(self.path, self.runs, wall_s)

    def _record_plan(self) -> None:
        """Tell those who watch the folders what rows there are, and how many outer steps."""
        rows = {name: self.totals.get(name, 0) for name in self.names}
        for run in self.runs:
            planned.record(run.folder, Planned(rows))
        if self.runs[0].folder != self.path:
            names = tuple(run.folder.name for run in self.runs)
            planned.record(self.path, Planned(rows, names))

    def _write_group_page(self, wall_s: float) -> None:
        """Write one page on the finished runs: of several seeds, or of several variants."""
        finished = []
        for run in self.runs:
            if not group_result.unfinished([run]):
                finished.append(run.folder)
        if len(finished) < 2:
            return
        if len(runs_by_setting(finished)) == 1:
            inspect_runs(finished, self.path, n_lives=0)
            return
        variants = variants_of(self.path)
        if variants is not None:
            write_variants(self.path, variants, wall_s)

    def _steps_done(self, name: str) -> dict[Path, int]:
        """{folder of a row: outer steps so far}, with one folder for every run."""
        steps = {}
        for run in self.runs:
            row = folder.row_folder(run.folder, name)
            steps[row] = count(row / METRICS)
        return steps

    def _show(self, name: str, steps: int) -> None:
        """Show a row's outer steps, those of all runs together."""
        stage = name
        if len(self.runs) > 1:
            stage = f"{name} ({len(self.runs)} runs)"
        self.means.progress(stage, steps, self.totals[name] * len(self.runs))

    def _watch(self) -> None:
        """Show the progress of the workers."""
        for name in self.totals:
            self._show(name, sum(self._steps_done(name).values()))
        self.announcer.look()

    def _train_here(self) -> None:
        """Train and judge the rows in this process, one after the other, origins first."""
        for name in sorted(self.names, key=lambda name: len(self.job.before(name))):
            if name in self.totals:
                self._train_row_here(name)
            else:
                _work(self.runs, name)
            self.announcer.look()
            self.means.stop.check()

    def _train_row_here(self, name: str) -> None:
        steps = self._steps_done(name)

        def tick(row: Path, step: int) -> None:
            steps[row] = step
            self._show(name, sum(steps.values()))
            self.means.stop.check()

        train_row(self.runs, name, tick)

    def _is_judged(self, run: Run) -> bool:
        folders = [folder.row_folder(run.folder, name) for name in self.names]
        return all(row_files.is_finished(row) for row in folders)


def _work(runs: Sequence[Run], name: str) -> None:
    """Train and judge one row of every run."""
    if name in dict(runs[0].job.main.references()):
        for run in runs:
            judge_reference(run, name)
    else:
        train_row(runs, name)
