"""One run from its config to its folder: every row trained, judged, summed up."""

import json
import logging
import platform
import time
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path

import jax

from metaplast.launch import folder, keeper, preflight, row
from metaplast.launch.config import Plain, read_file, to_yaml
from metaplast.launch.follow import followed
from metaplast.launch.job import DISCOVERED, PROTOTYPE, Job, parse
from metaplast.launch.metrics import count
from metaplast.launch.report import inspect_runs
from metaplast.launch.stopping import stoppable
from metaplast.launch.summary import summarise
from metaplast.launch.workers import Workers, train_rows

log = logging.getLogger(__name__)
Progress = Callable[[str, int, int], None]  # row, outer steps done, outer steps in all


def start(plain: Plain, path: Path | None, jobs: int, progress: Progress, modules: Sequence[str] = ()) -> Path:
    """A new run; `modules` are imported by every worker. Nothing on disk changes unless the config is valid.

    Raises: BadInput, folder.Busy, row.Diverged, stopping.Interrupted, OSError.
    """
    job = parse(plain)
    preflight.check(job, jobs)
    run = folder.create(path or folder.fresh_path(job.main.experiment, job.main.seed))
    with folder.locked(run), folder.logged(run):
        folder.write_text(run / "config.yaml", to_yaml(plain))
        folder.write_json(run / "environment.json", environment())
        _execute(run, plain, job, Workers(jobs, tuple(modules)), progress)
    return run


def resume(run: Path, jobs: int, progress: Progress, modules: Sequence[str] = ()) -> Path:
    """Go on with a run from its newest checkpoints; a finished run is left as it is.

    Raises: BadInput, folder.Busy, checkpoint.NoCheckpoint, row.Diverged, stopping.Interrupted, OSError.
    """
    folder.check_idle(run)
    plain = read_file(run / "config.yaml")
    job = parse(plain)
    finished = (run / "summary.json").is_file() and (run / "report.html").is_file()
    if not finished:
        preflight.check(job, jobs)
    with folder.locked(run), folder.logged(run):
        _warn_of_other_versions(run)
        if not finished:
            _execute(run, plain, job, Workers(jobs, tuple(modules)), progress)
    return run


def environment() -> dict[str, str]:
    """Versions that the bits of a run depend on; no host or user names."""
    packages = ("metaplast", "jax", "jaxlib", "numpy", "optax", "evosax", "scikit-learn")
    machine = {"python": platform.python_version(), "system": platform.system(), "machine": platform.machine()}
    return machine | {name: version(name) for name in packages}


def _warn_of_other_versions(run: Path) -> None:
    """Bits may differ from those of the run so far where its versions or machine did."""
    file = run / "environment.json"
    try:
        before = dict(json.loads(file.read_bytes()))
    except (OSError, ValueError, TypeError):
        return  # nothing is known of them
    other = [
        f"{name} {before.get(name)} -> {value}" for name, value in environment().items() if before.get(name) != value
    ]
    if before and other:
        log.warning("%s goes on with %s: the last bits may differ", run, ", ".join(other))


def _execute(run: Path, plain: Plain, job: Job, workers: Workers, progress: Progress) -> None:
    with followed(run, job.main.logging, workers.modules):
        _train_and_judge(run, plain, job, workers, progress)


def _train_and_judge(run: Path, plain: Plain, job: Job, workers: Workers, progress: Progress) -> None:
    started = time.monotonic()
    keeper.HERE.renew()
    totals = {name: config.outer.n_steps for name, config in job.rows}
    names = [*totals, *([PROTOTYPE] if job.main.evaluation.prototype else [])]

    def watch() -> None:
        for name, total in totals.items():
            progress(name, count(folder.row_folder(run, name) / "metrics.jsonl"), total)

    if len(names) > 1:
        train_rows(run, plain, names, workers, watch)
    with stoppable(run, keeper.HERE.end) as stop:

        def tick(step: int, _: object) -> None:
            progress(DISCOVERED, step, totals[DISCOVERED])
            stop.check()

        row.train_row(run, plain, DISCOVERED, tick)  # where workers did it, it is finished
        jax.config.update("jax_enable_x64", job.main.precision == "float64")  # where workers did it, for what follows
        if not (run / "summary.json").is_file():
            summarise(run, job, time.monotonic() - started)
        inspect_runs([run], None, n_lives=0)
