"""The row of a reference: chosen on validation lives, judged once on the held-out lives of the
other rows.
"""

import json
import time
from pathlib import Path

import jax
import numpy as np

from metaplast.results import outside
from metaplast.results.summary import ReferenceRow
from metaplast.runs.folder import row_folder
from metaplast.runs.job import Config, Run
from metaplast.runs.row_files import publish


def judge_reference(run: Run, name: str) -> None:
    """Write the row of one reference of a run; a finished one is left alone."""
    folder = row_folder(run.folder, name)
    if (folder / "row.json").is_file():
        return
    started = time.monotonic()
    folder.mkdir(parents=True, exist_ok=True)
    config = run.job.main
    place = placed(config, name)
    numbers = outside.choose(place, config.evaluation.validation)
    scores = outside.lives(place, numbers, "heldout", config.evaluation.heldout)
    wall_s = round(time.monotonic() - started, 2)
    publish(
        folder, {}, scores, {"name": name, "diverged_lives": 0, "chosen": numbers, "wall_s": wall_s}
    )


def placed(config: Config, name: str) -> outside.Place:
    """The reference `name` of a config on its task, in its precision."""
    jax.config.update("jax_enable_x64", config.precision == "float64")
    return outside.Place(dict(config.references())[name], config.meta_problem(), config.seed)


def judged_elsewhere(run: Path, config: Config, name: str, n: int) -> dict[str, np.ndarray]:
    """Per-life values on `n` held-out lives of another world, with the numbers that the run's row
    was judged with; where the run has no such row, they are chosen in the other world."""
    place, row = placed(config, name), row_folder(run, name) / "row.json"
    numbers = json.loads(row.read_text()).get("chosen", {}) if row.is_file() else None
    if numbers not in place.reference.options():
        numbers = outside.choose(place, config.evaluation.validation)
    return outside.lives(place, numbers, "heldout", n)


def facts_of(run: Path, name: str, config: Config) -> ReferenceRow:
    """The facts about a reference, beside its score."""
    record = json.loads((row_folder(run, name) / "row.json").read_text())
    return ReferenceRow(
        chosen=record.get("chosen", {}),
        wall_s=record.get("wall_s"),
        note=f"reference: {dict(config.references())[name].note}",
    )
