"""The course of rows on a page: their loss over meta-training, and their scores within a life.

A line of a picture is one row of several runs: of all runs of a seed, or of one variant.
"""

import math
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np

from metaplast.figures import learning_curves, training_loss
from metaplast.figures.section import Figure, PagePart, Section
from metaplast.results import curves, evaluate
from metaplast.runs import metrics, provenance
from metaplast.runs.folder import row_folder
from metaplast.runs.metrics import METRICS
from metaplast.runs.row_files import N_CURVES, STEPS, read_arrays, theta_of
from metaplast.training.effort import Tick
from metaplast.training.finished_run import FinishedRun


class RowOfRun(NamedTuple):
    """A row of a finished run."""

    run: FinishedRun
    name: str

    @property
    def folder(self) -> Path:
        """The folder of the row."""
        return row_folder(self.run.path, self.name)


Lines = Mapping[str, Sequence[RowOfRun]]
"""{label of a line: the rows behind it, one of every seed}"""


def curves_part(
    lines: Lines, n_lives: int, pictures: Path, tick: Tick, ours: Sequence[str]
) -> PagePart:
    """The learning curves within a life; a task that scores one step alone has none.

    Args:
        lines: of the pictures, all over as many runs.
        n_lives: held-out lives behind them; 0: those that the runs stored.
        pictures: the folder of the pictures.
        tick: a function that is called as lines get done.
        ours: the labels of the lines that are drawn thick; the first is blue.
    """
    every_row = [row for rows in lines.values() for row in rows]
    if not n_lives and not all((row.folder / STEPS).is_file() for row in every_row):
        imports = provenance.imports([row.run.path for row in every_row])
        again = shlex.join(["metaplast", "inspect", *imports, "RUN_DIR"])
        words = (
            f"Not stored by the run: its lives have more than {evaluate.LONGEST} steps, or it is "
            f"older than these files. `{again}` adds the curves to its page."
        )
        return PagePart(Section("Learning within a life", [words]), {})
    first = every_row[0].run.job.main
    n = min(n_lives or N_CURVES, first.evaluation.heldout)
    phases = first.task.shape().phases
    if not any(row.run.job.row(row.name).slots() for row in every_row):
        phases = tuple((length, False) for length, _ in phases)
    half_width = curves.half_width(sum(length for length, _ in phases))
    bands: dict[str, dict[str, curves.Band]] = {}
    not_finite = {}
    scored: set[int] = set()
    for index, (label, rows) in enumerate(lines.items()):
        of_rows = []
        not_finite[label] = 0
        for row in rows:
            steps = _per_step(row, n)
            of_rows.append(steps)
            not_finite[label] += curves.n_not_finite(steps["loss"])
            scored |= set(np.flatnonzero(steps["loss"].weight.any(axis=0)).tolist())
        for metric in sorted(of_rows[0], key=_place):
            values = [steps[metric] for steps in of_rows]
            bands.setdefault(metric, {})[label] = curves.band(values, phases, half_width)
        tick("learning curves", index + 1, len(lines))
    if len(scored) <= 1:
        at = "".join(f": {step + 1}" for step in scored)
        words = f"No curve: the task scores at most one step of a life{at}."
        return PagePart(Section("Learning within a life", [words]), {})
    same_as_loss = _same_as_loss(bands)
    for metric in same_as_loss:
        del bands[metric]
    n_runs = len(next(iter(lines.values())))
    facts = learning_curves.Facts(
        n_lives=n, n_runs=n_runs, width=2 * half_width + 1, not_finite=not_finite
    )
    part = learning_curves.part(bands, phases, facts, pictures, ours)
    if same_as_loss:
        words = f"The loss of this task is its {', '.join(same_as_loss)}: one picture shows both."
        paragraphs = [*part.section.paragraphs, words]
        part = part._replace(section=part.section._replace(paragraphs=paragraphs))
    return part


def _place(metric: str) -> tuple[bool, bool, str]:
    """The place of a metric among pictures: what rows are judged by comes first."""
    return (metric != "accuracy", metric != "loss", metric)


def _same_as_loss(bands: Mapping[str, Mapping[str, curves.Band]]) -> list[str]:
    """The metrics whose curves are those of the loss in every line."""
    same = []
    for metric, rows in bands.items():
        if metric != "loss" and all(
            np.array_equal(band.splits, bands["loss"][name].splits, equal_nan=True)
            for name, band in rows.items()
        ):
            same.append(metric)
    return same


def _per_step(row: RowOfRun, n: int) -> dict[str, curves.Steps]:
    """{metric: values at every step} of n held-out lives of a row.

    They are those that the run stored, where it stored so many. Else the lives are lived anew.
    """
    if (row.folder / STEPS).is_file():
        stored = read_arrays(row.folder / STEPS)
        if len(stored["loss"]) >= n:
            return curves.counted({metric: values[:n] for metric, values in stored.items()})
    config = row.run.job.row(row.name)
    jax.config.update("jax_enable_x64", config.precision == "float64")
    problem = config.meta_problem()
    theta = theta_of(row.folder, problem)
    return curves.per_step(problem, theta, config.seed, n)


def training_part(lines: Lines, pictures: Path, ours: Sequence[str]) -> PagePart:
    """The loss over meta-training of the first run of every line.

    The arguments are those of `curves_part`.
    """
    losses = {}
    for label, rows in lines.items():
        losses[label] = []
        for loss in metrics.values(rows[0].folder / METRICS, "loss"):
            if math.isfinite(loss):
                losses[label].append(loss)
    if not any(losses.values()):
        return PagePart(Section("Meta-training", ["Nothing was trained."]), {})
    path = pictures / "training.svg"
    training_loss.draw(losses, path, ours)
    last = []
    for label, values in losses.items():
        if values:
            last.append(f"{label} {values[-1]:.3g}")
    alt = "Loss on training lives over outer steps; at the end: " + ", ".join(last)
    caption = "Loss on training lives, running median over a twentieth of the run."
    of_line = next(iter(lines.values()))
    if len(of_line) > 1:
        caption += f" Seed {of_line[0].run.seed} alone."
    section = Section("Meta-training", figures=[Figure(path, alt, caption)])
    return PagePart(section, {"loss": losses})
