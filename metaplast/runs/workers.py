"""A pool of worker processes for the rows of a run.

Rows are independent: the number of processes does not change the result of a row.
"""

import gc
import logging
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack, contextmanager
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import jax
from jax.errors import JaxRuntimeError

from metaplast import search_loop
from metaplast.runs import environment, folder, processes, saver, stopping, threads
from metaplast.runs.job import Run
from metaplast.runs.processes import WORD, Meeting, Place, ProcessLost
from metaplast.runs.same_start import demand_same_start
from metaplast.runs.stopping import Interrupted, Stop

log = logging.getLogger(__name__)
PATIENCE = 15.0
"""Seconds that a worker has to save its last finished step."""
WAITING = 5.0
"""Seconds after a finished step at which it is saved, since the next one may wait in vain."""
GRACE = 5.0
"""Seconds after an error that the other processes of a job have to meet the same error."""


class Workers(NamedTuple):
    """The workers of a run.

    jobs: rows at a time.
    modules: plug-ins that each worker imports first.
    here: whether this process does all rows itself, one after the other.
    joined: the worker that shares a job with other processes; None: there is one process.
    """

    jobs: int
    modules: tuple[str, ...]
    here: bool = False
    joined: "Joined | None" = None


class Joined(NamedTuple):
    """A worker that met the other processes of its job.

    pool: the pool whose only process it is.
    place: its place among the processes.
    environment: its versions, device and layout, see `environment.environment`.
    """

    pool: ProcessPoolExecutor
    place: Place
    environment: dict[str, str]


Work = Callable[[Sequence[Run], str], None]
"""work(runs, name) does the work on one row of several runs.

It is a function of a module, since it crosses to other processes.
"""


class WorkerLost(RuntimeError):
    """A worker process was killed from outside (exit code 1), such as where memory ran out."""


_OPEN = ExitStack()
"""The contexts of a worker, which end with it."""


@contextmanager
def joined(meeting: Meeting, modules: tuple[str, ...]) -> Iterator[Joined]:
    """Start a worker that joins other processes, and end it after the block.

    JAX ends a process whose job lost another one, without a word. So the work is done in a process
    of its own, and this one tells.

    Args:
        meeting: the place where the processes meet.
        modules: plug-ins that the worker imports first.

    Raises: BadInput where no cluster is found; ProcessLost.
    """
    pool = _pool(1, None, modules)
    try:
        with stopping.held(), _without_main():
            met = pool.submit(processes.meet, meeting)
        try:
            place = met.result()
            facts = pool.submit(environment.environment).result()
        except BrokenProcessPool:
            raise ProcessLost(
                "the processes did not meet - expected all of them to start - start all of them "
                "again"
            ) from None
        # The accelerators of this machine belong to the worker.
        jax.config.update("jax_platforms", "cpu")
        yield Joined(pool, place, facts)
    finally:
        _end(pool)
        pool.shutdown(cancel_futures=True)


def work_through(
    run: Path,
    runs: Sequence[Run],
    names: list[str],
    work: Work,
    workers: Workers,
    watch: Callable[[], None],
    stop: Stop,
) -> None:
    """Work on some rows of all runs of a folder. A row waits for its origin.

    Args:
        run: the folder.
        runs: its runs.
        names: the rows.
        work: the work on one row.
        workers: the number of workers, and their plug-ins.
        watch: a function that is called twice a second.
        stop: the signals of the run. The first one ends the workers.

    Raises: the errors of `work`; WorkerLost; Interrupted after a signal, when the last finished
        steps are saved; ProcessLost.
    """
    if workers.joined is not None:
        _work_together(run, runs, names, work, workers.joined, watch, stop)
        return
    origins = dict(runs[0].job.origins)
    pool = _pool(min(workers.jobs, len(names)), run, workers.modules)
    with stop.saving(lambda: _end(pool)):
        pending: dict[Future[None], str] = {}
        waiting = list(names)
        finished: set[str] = set()
        try:
            while pending or waiting:
                ready = []
                for name in list(waiting):
                    if name not in origins or origins[name] in finished:
                        ready.append(name)
                        waiting.remove(name)
                # A signal would end a worker that is just starting with a traceback.
                with stopping.held(), _without_main():
                    for name in ready:
                        pending[pool.submit(_work, work, runs, name)] = name
                done, _ = wait(pending, timeout=0.5, return_when=FIRST_COMPLETED)
                stop.check()
                for future in done:
                    finished.add(pending.pop(future))
                for future in done:
                    future.result()
                watch()
        except BrokenProcessPool:
            stop.check()
            raise WorkerLost(
                f"{run}: a worker process ended by itself - expected it to train its row - "
                f"see log.txt; metaplast resume {run}, with fewer --jobs if the machine ran out "
                f"of memory"
            ) from None
        finally:
            if pending:
                _end(pool)
            pool.shutdown(wait=not pending, cancel_futures=True)


def _work_together(
    run: Path,
    runs: Sequence[Run],
    names: list[str],
    work: Work,
    joined: Joined,
    watch: Callable[[], None],
    stop: Stop,
) -> None:
    """Work on some rows of all runs, row by row, together with the other processes of the job.

    All processes take the rows in the same order, origins first. The arguments are as in
    `work_through`.

    Raises: the errors of `work`; ProcessLost; Interrupted.
    """
    pool = joined.pool
    in_order = sorted(names, key=lambda name: len(runs[0].job.before(name)))
    with stop.saving(lambda: _end(pool)):
        try:
            pending = {pool.submit(_attach_in_job, run)}
            for name in in_order:
                pending.add(pool.submit(_work_in_job, work, runs, name))
            pending.add(pool.submit(processes.part))
            while pending:
                done, pending = wait(pending, timeout=0.5, return_when=FIRST_COMPLETED)
                stop.check()
                for future in done:
                    future.result()
                watch()
        except (BrokenProcessPool, ProcessLost):
            stop.check()
            raise ProcessLost(
                f"{run}: one of {joined.place.processes} processes of this job was lost - expected "
                f"all of them to go on - start all of them again with: metaplast resume {run} "
                f"{WORD}=..."
            ) from None
        except Interrupted:
            raise
        except Exception:
            # A search diverges in all processes at once. The end of this one would hide it there.
            time.sleep(GRACE)
            raise


@contextmanager
def _without_main() -> Iterator[None]:
    """Let the processes that start in the block import no main module.

    A worker needs nothing of it, and the script of a user would run once more in every worker.
    """
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


def _end(pool: ProcessPoolExecutor) -> None:
    """End every worker after it saved its last finished step. Kill it after PATIENCE seconds."""
    processes = list((pool._processes or {}).values())
    for process in processes:
        process.terminate()
    deadline = time.monotonic() + PATIENCE
    for process in processes:
        process.join(max(0.0, deadline - time.monotonic()))
        if process.is_alive():
            process.kill()


def _attach_in_job(run: Path) -> None:
    """See `_attach` and `demand_same_start`. The others may still copy the run folder."""
    _attach(run)
    sys.stderr = os.fdopen(os.dup(2), "w", buffering=1)
    sys.stdout = sys.stderr
    with (run / processes.WORDS_OF_JAX).open("a") as file:
        os.dup2(file.fileno(), 2)  # JAX prints a page of addresses before it ends a process
    _save_while_waiting()
    demand_same_start(run)


def _save_while_waiting() -> None:
    """Save a finished step where the next one takes long: it may wait for a process that is gone.

    JAX ends this process then, without an error that Python could see.
    """

    def watch() -> None:
        while True:
            time.sleep(WAITING / 5)
            try:
                saver.SAVER.save_long_finished(WAITING)
            except OSError as error:  # the next checkpoint of the row meets it too, and tells
                log.info("a finished step was not saved: %s", error)

    threading.Thread(target=watch, daemon=True).start()


def _work_in_job(work: Work, runs: Sequence[Run], name: str) -> None:
    """Work on one row with other processes. Where one is lost, `SAVER` writes the finished steps.

    Raises: ProcessLost.
    """
    try:
        _work(work, runs, name)
    except JaxRuntimeError as error:
        if "RESOURCE_EXHAUSTED" in str(error):
            raise
        log.info("a process of this job was lost: %s", error)
        raise ProcessLost(str(error)) from None


def _work(work: Work, runs: Sequence[Run], name: str) -> None:
    """Work on one row, and free the memory of its programs: the next row needs others."""
    work(runs, name)
    search_loop.forget()
    gc.collect()


def _pool(n: int, run: Path | None, modules: tuple[str, ...]) -> ProcessPoolExecutor:
    """A pool of `n` workers. run: see `_start`."""
    context = multiprocessing.get_context("spawn")
    arguments = (os.getpid(), run, modules)
    return ProcessPoolExecutor(n, context, initializer=_start, initargs=arguments)


def _start(parent: int, run: Path | None, modules: tuple[str, ...]) -> None:
    """Prepare a worker process. It ends when its parent is gone.

    Args:
        parent: the number of the process that started it.
        run: the folder of the run; None: it is not known yet.
        modules: plug-ins that are imported.
    """
    threads.one_each()
    if run is not None:
        _attach(run)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    stopping.released()
    end_with(parent)
    sys.stdout = sys.stderr
    for module in modules:
        import_module(module)


def end_with(parent: int) -> None:
    """End this process at once when its parent is gone.

    Args:
        parent: the number of the process that started this one.
    """

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _attach(run: Path) -> None:
    """Let a worker log into a run folder, and save its last finished step at SIGTERM.

    It ignores Ctrl-C, which its parent handles.
    """
    stopping.listen(Stop(run, saver.SAVER.end, quiet=True), patience=0.0)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _OPEN.enter_context(folder.logging_to(run))
