"""The file results.csv of a sweep: every number, for tables and plots of a user's own."""

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from metaplast.results.numbers import rounded
from metaplast.results.statistics import estimate
from metaplast.results.summary import FILE as SUMMARY
from metaplast.runs.folder import row_folder, write_text
from metaplast.runs.row_files import LIVES, read_arrays
from metaplast.sweeping.axes import SEED
from metaplast.sweeping.members import MemberRun
from metaplast.sweeping.outcome import SweepResult
from metaplast.sweeping.request import Sweep
from metaplast.training.summary import read_summary

FILE = "results.csv"
OF_RUN = ("member", "run", "code")
OF_ROW = ("seed", "row", "metric", "n", "mean", "ci95_low", "ci95_high", "diverged")


def write(path: Path, sweep: Sweep, result: SweepResult) -> None:
    """Write results.csv.

    It has one line for every run, row and metric. Its columns are:

    member, run: the names of the folders.
    code: the exit code of the member; 0 where the run is finished.
    one column for every word with several values.
    seed, row, metric: of the values. All three are empty for a run without scores.
    n: held-out lives.
    mean, ci95_low, ci95_high: over these lives, with a bootstrap interval; empty where a life is
        not finite.
    diverged: held-out lives that are not finite.

    Args:
        path: the folder of the sweep.
        sweep: its members.
        result: the end of every member.
    """
    axes = [key for key in sweep.axes if key != SEED]
    text = io.StringIO()
    writer = csv.DictWriter(text, [*OF_RUN, *axes, *OF_ROW], lineterminator="\n")
    writer.writeheader()
    codes = {member.name: member.code for member in result.members}
    for member in sweep.members:
        for run in member.runs:
            settings = {key: run.settings[key] for key in axes}
            about = {"member": member.name, "run": run.folder, **settings}
            for line in _lines(path / run.folder, run, codes[member.name]):
                writer.writerow({**about, **line})
    write_text(path / FILE, text.getvalue())


def _lines(folder: Path, run: MemberRun, code: int) -> Iterator[dict[str, Any]]:
    """The lines of one run; one line without scores where it is not finished."""
    if not (folder / SUMMARY).is_file():
        yield {"code": code, "seed": run.settings.get(SEED, ""), "n": 0}
        return
    summary = read_summary(folder)
    for name in summary.rows:
        arrays = read_arrays(row_folder(folder, name) / LIVES)
        for metric, values in sorted(arrays.items()):
            found = rounded(estimate([np.asarray(values, np.float64)]))
            yield {
                "code": 0,
                "seed": summary.seed,
                "row": name,
                "metric": metric,
                "n": found.n,
                "mean": found.mean,
                "ci95_low": found.ci95.low,
                "ci95_high": found.ci95.high,
                "diverged": int((~np.isfinite(values)).sum()),
            }
