"""One run from its config to its folder: every row trained, judged, summed up."""

import gc
import multiprocessing
import os
import platform
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from contextlib import contextmanager
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import jax

from metaplast.launch import folder, row
from metaplast.launch.config import Plain, read_yaml, to_yaml
from metaplast.launch.job import DISCOVERED, PROTOTYPE, Job, parse
from metaplast.launch.metrics import count
from metaplast.launch.report import inspect_runs
from metaplast.launch.summary import summarise
from metaplast.registry import BadInput

Progress = Callable[[str, int, int], None]  # row, outer steps done, outer steps in all


class Pool(NamedTuple):
    """How many rows train at the same time, and the plug-in modules each worker imports first."""

    jobs: int
    modules: tuple[str, ...]


class Interrupted(RuntimeError):
    """Stopped by SIGINT or SIGTERM: `code` is 130 or 143. What the last checkpoints hold is kept."""

    def __init__(self, run: Path, number: int) -> None:
        self.code = 128 + number
        super().__init__(f"interrupted: {run} - expected to run to its end - go on with: metaplast resume {run}")


@contextmanager
def _stoppable(run: Path) -> Iterator[None]:
    """Turn SIGINT and SIGTERM into Interrupted (signals reach the main thread alone)."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, _: object) -> None:
        raise Interrupted(run, number)

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def start(plain: Plain, path: Path | None, jobs: int, progress: Progress, modules: Sequence[str] = ()) -> Path:
    """A new run; `modules` are imported by every worker. Nothing on disk changes unless the config is valid.

    Raises: BadInput, folder.Busy, row.Diverged.
    """
    job = parse(plain)
    run = folder.create(path or folder.fresh_path(job.main.experiment, job.main.seed))
    with folder.locked(run), _stoppable(run):
        folder.write_text(run / "config.yaml", to_yaml(plain))
        folder.write_json(run / "environment.json", environment())
        _execute(run, plain, job, Pool(jobs, tuple(modules)), progress)
    return run


def resume(run: Path, jobs: int, progress: Progress, modules: Sequence[str] = ()) -> Path:
    """Go on with a run from its newest checkpoints; a finished run is left as it is.

    Raises: BadInput, folder.Busy, checkpoint.NoCheckpoint, row.Diverged.
    """
    config = run / "config.yaml"
    if not config.is_file():
        raise BadInput(f"{run}", "a run folder, with a config.yaml", "give the folder that train printed")
    plain = read_yaml(config.read_text(), str(config))
    job = parse(plain)
    with folder.locked(run), _stoppable(run):
        if not (run / "summary.json").is_file():
            _execute(run, plain, job, Pool(jobs, tuple(modules)), progress)
    return run


def environment() -> dict[str, str]:
    """Versions that the bits of a run depend on; no host or user names."""
    packages = ("metaplast", "jax", "jaxlib", "numpy", "optax", "evosax", "scikit-learn")
    machine = {"python": platform.python_version(), "system": platform.system(), "machine": platform.machine()}
    return machine | {name: version(name) for name in packages}


def _execute(run: Path, plain: Plain, job: Job, pool: Pool, progress: Progress) -> None:
    started = time.monotonic()
    names = [name for name, _ in job.rows] + ([PROTOTYPE] if job.main.evaluation.prototype else [])
    if len(names) == 1:
        total = job.main.outer.n_steps
        row.train_row(run, plain, DISCOVERED, lambda step, _: progress(DISCOVERED, step, total))
    else:
        _in_processes(run, plain, job, names, pool, progress)
    summarise(run, job, time.monotonic() - started)
    inspect_runs([run], None, n_lives=0)


def _in_processes(run: Path, plain: Plain, job: Job, names: list[str], workers: Pool, progress: Progress) -> None:
    """Rows are independent, so each is one piece of work for a pool; what a row computes does not depend on `jobs`."""
    totals = {name: config.outer.n_steps for name, config in job.rows}
    context = multiprocessing.get_context("spawn")
    arguments = (os.getpid(), workers.modules)
    with ProcessPoolExecutor(
        min(workers.jobs, len(names)), context, initializer=_start_worker, initargs=arguments
    ) as pool:
        pending = {pool.submit(_work, run, plain, name) for name in names}
        try:
            while pending:
                done, pending = wait(pending, timeout=0.5, return_when=FIRST_COMPLETED)
                for finished in done:
                    finished.result()
                for name, total in totals.items():
                    progress(name, count(row.folder_of(run, name) / "metrics.jsonl"), total)
        except BaseException:
            for process in list(pool._processes.values()):  # a worker may be inside a long compilation
                process.terminate()
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _work(run: Path, plain: Plain, name: str) -> None:
    if name == PROTOTYPE:
        row.prototype_row(run, plain)
    else:
        row.train_row(run, plain, name)
    jax.clear_caches()  # a worker trains many rows: the programs of the last one are not needed again
    gc.collect()


def _start_worker(parent: int, modules: tuple[str, ...]) -> None:
    """A worker ends when the process that started it is gone, and leaves Ctrl-C to it."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
    sys.stdout = sys.stderr
    for module in modules:
        import_module(module)
