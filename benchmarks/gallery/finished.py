"""A finished run folder, as the gallery reads it."""

from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from metaplast.api.carrying import precision_kept
from metaplast.api.opening import open as open_run
from metaplast.fitting.result import FitResult, read_result
from metaplast.life.lifetime import Lifetime
from metaplast.results import curves
from metaplast.results.evaluate import batches
from metaplast.results.summary import RowScore, RunSummary
from metaplast.runs.folder import row_folder
from metaplast.runs.job import Job, read_job
from metaplast.runs.row_files import STEPS, read_arrays, theta_of
from metaplast.settings.names import CONFIG
from metaplast.training.kind import KIND as TRAINING
from metaplast.training.summary import read_summary


class Finished(NamedTuple):
    """A finished run.

    folder: of the run.
    job: the configs of its rows.
    summary: of a training, else None.
    fit: the result of a fit, else None.
    n_seeds: how many runs its scores are means of.
    """

    folder: Path
    job: Job
    summary: RunSummary | None = None
    fit: FitResult | None = None
    n_seeds: int = 1

    @property
    def training(self) -> RunSummary:
        """The summary. Raises: TypeError for a fit."""
        if self.summary is None:
            raise TypeError(f"{self.folder} is no training")
        return self.summary

    @property
    def fitted(self) -> FitResult:
        """The result of the fit. Raises: TypeError for a training."""
        if self.fit is None:
            raise TypeError(f"{self.folder} is no fit")
        return self.fit

    @property
    def task(self) -> Any:
        """The task family, with the fields of its own class."""
        return self.job.main.task

    @property
    def scores(self) -> dict[str, RowScore]:
        """{row: its score on held-out lives}."""
        return {score.name: score for score in self.training.scores}

    @property
    def rows(self) -> set[str]:
        """The names of its rows, references included."""
        if self.fit is not None:
            return set(self.fit.rows)
        return set(self.scores)

    @property
    def phases(self) -> tuple[tuple[int, bool], ...]:
        """(steps, whether plasticity is on) of a life."""
        return self.job.main.task.shape().phases

    def steps(self, row: str) -> dict[str, curves.Steps]:
        """{metric: values at every step} of the held-out lives that a row stored."""
        return curves.counted(read_arrays(row_folder(self.folder, row) / STEPS))

    def lived(self, row: str, n: int) -> "Lived":
        """The first held-out lives of a row, lived anew with its numbers.

        Args:
            row: the name of the row.
            n: number of lives.
        """
        with precision_kept():
            return self._lived(row, n)

    def _lived(self, row: str, n: int) -> "Lived":
        lifetime, theta, batch = self._heldout(row, n)
        lifetime = replace(lifetime, record=("activity",))
        n_steps = lifetime.task.shape().n_steps

        def live(one: Any) -> Any:
            birth = lifetime.begin(theta, one.tasks, one.keys)
            _, trace = lifetime.advance(theta, one.tasks, birth, n_steps, start=0)
            return trace.recorded["activity"]

        activity = jax.jit(lambda many: jax.lax.map(live, many))(batch)
        tasks = jax.tree.map(np.asarray, batch.tasks)
        return Lived(tasks, {name: np.asarray(values) for name, values in activity.items()})

    def weights(self, row: str, edge: str) -> tuple[np.ndarray, np.ndarray]:
        """The weights of an edge at the birth and at the end of the first held-out life of a row.

        Args:
            row: the name of the row.
            edge: the name of the edge.
        """
        with precision_kept():
            lifetime, theta, batch = self._heldout(row, 1)
            one = jax.tree.map(lambda leaf: leaf[0], batch)
            n_steps = lifetime.task.shape().n_steps

            def live(one: Any) -> Any:
                birth = lifetime.begin(theta, one.tasks, one.keys)
                end, _ = lifetime.advance(theta, one.tasks, birth, n_steps, start=0)
                return birth.synapses[edge].weight, end.synapses[edge].weight

            born, grown = jax.jit(live)(one)
            return np.asarray(born), np.asarray(grown)

    def _heldout(self, row: str, n: int) -> tuple[Lifetime, Any, Any]:
        """The lifetime of a row, its numbers, and its first held-out tasks with their keys."""
        config = self.job.row(row)
        jax.config.update("jax_enable_x64", config.precision == "float64")
        problem = config.meta_problem()
        theta = theta_of(row_folder(self.folder, row), problem)
        batch: Any = batches(problem, config.seed, "heldout", n)[0]
        return problem.lifetime, theta, jax.tree.map(lambda leaf: leaf[:n], batch)


class Lived(NamedTuple):
    """Lives, step by step.

    tasks: of the lives, their axis first.
    activity: {population: its activity [n_lives, n_steps, n_units]}.
    """

    tasks: Any
    activity: dict[str, np.ndarray]


def finished(folder: Path) -> Finished | None:
    """The finished run in a folder; None where there is none."""
    if not (folder / CONFIG).is_file():
        return None
    run = open_run(folder)
    if not run.finished:
        return None
    job = read_job(folder)
    if run.kind is TRAINING:
        return Finished(folder, job, summary=read_summary(folder))
    return Finished(folder, job, fit=read_result(folder))
