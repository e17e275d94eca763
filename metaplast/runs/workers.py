"""A pool of worker processes for the rows of a run.

Rows are independent: the number of processes does not change the result of a row.
"""

import gc
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

from metaplast import search_loop
from metaplast.runs import folder, saver, stopping, threads
from metaplast.runs.job import Run
from metaplast.runs.stopping import Stop

PATIENCE = 15.0
"""Seconds that a worker has to save its last finished step."""


class Workers(NamedTuple):
    """The workers of a run.

    jobs: rows at a time.
    modules: plug-ins that each worker imports first.
    here: whether this process does all rows itself, one after the other.
    """

    jobs: int
    modules: tuple[str, ...]
    here: bool = False


Work = Callable[[Sequence[Run], str], None]
"""work(runs, name) does the work on one row of several runs.

It is a function of a module, since it crosses to other processes.
"""


class WorkerLost(RuntimeError):
    """A worker process was killed from outside (exit code 1), such as where memory ran out."""


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
        steps are saved.
    """
    origins = dict(runs[0].job.origins)
    context = multiprocessing.get_context("spawn")
    arguments = (os.getpid(), run, workers.modules)
    pool = ProcessPoolExecutor(
        min(workers.jobs, len(names)), context, initializer=_start, initargs=arguments
    )
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


def _work(work: Work, runs: Sequence[Run], name: str) -> None:
    """Work on one row, and free the memory of its programs: the next row needs others."""
    work(runs, name)
    search_loop.forget()
    gc.collect()


def _start(parent: int, run: Path, modules: tuple[str, ...]) -> None:
    """Prepare a worker process.

    SIGTERM makes it save and end. It ignores Ctrl-C, which its parent handles. It ends when its
    parent is gone.

    Args:
        parent: the number of the process that started it.
        run: the folder of the run.
        modules: plug-ins that are imported.
    """
    threads.one_each()
    stopping.listen(Stop(run, saver.SAVER.end, quiet=True), patience=0.0)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    stopping.released()
    folder.logging_to(run).__enter__()
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
