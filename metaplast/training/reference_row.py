"""The row of a reference.

The numbers of a reference are chosen on validation lives. It is judged once, on the held-out lives
of the other rows.
"""

import time
from pathlib import Path

import jax
import numpy as np

from metaplast.results import outside
from metaplast.results.summary import ReferenceRow
from metaplast.runs.folder import row_folder
from metaplast.runs.job import Config, Run
from metaplast.runs.row_files import is_finished, publish
from metaplast.training.row_record import RowRecord, read_record, to_json


def judge_reference(run: Run, name: str) -> None:
    """Judge one reference of a run and write its row. A finished row stays as it is."""
    folder = row_folder(run.folder, name)
    if is_finished(folder):
        return
    started = time.monotonic()
    folder.mkdir(parents=True, exist_ok=True)
    config = run.job.main
    place = placed(config, name)
    numbers = outside.choose(place, config.evaluation.validation)
    scores = outside.lives(place, numbers, "heldout", config.evaluation.heldout)
    wall_s = round(time.monotonic() - started, 2)
    record = RowRecord(name, wall_s=wall_s, chosen=dict(numbers))
    publish(folder, {}, scores, to_json(record))


def placed(config: Config, name: str) -> outside.Place:
    """A reference on the task of a config, in the precision of the config."""
    jax.config.update("jax_enable_x64", config.precision == "float64")
    return outside.Place(dict(config.references())[name], config.meta_problem(), config.seed)


def judged_elsewhere(run: Path, config: Config, name: str, n: int) -> dict[str, np.ndarray]:
    """The values of a reference on held-out lives of a changed config.

    Its numbers are the numbers with which its row in the run was judged. Where the run has no such
    row, they are chosen in the changed config.

    Args:
        run: the folder of the run.
        config: the changed config.
        name: the reference.
        n: the number of lives.

    Returns: {metric: values [n]}.
    """
    place = placed(config, name)
    row = row_folder(run, name)
    numbers = None
    if is_finished(row):
        numbers = read_record(row).chosen or {}
    if numbers not in place.reference.options():
        numbers = outside.choose(place, config.evaluation.validation)
    return outside.lives(place, numbers, "heldout", n)


def facts_of(run: Path, name: str, config: Config) -> ReferenceRow:
    """The facts beside the score of a reference, such as its chosen numbers and its wall time."""
    record = read_record(row_folder(run, name))
    return ReferenceRow(
        chosen=record.chosen or {},
        wall_s=record.wall_s,
        note=f"reference: {dict(config.references())[name].note}",
    )
