"""Rows are independent pieces of work for a pool of processes; what a row computes does not depend
on how many.
"""

import gc
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

from metaplast import train
from metaplast.runs import folder, saver, stopping, threads
from metaplast.runs.job import Run
from metaplast.runs.stopping import Stop, stoppable

PATIENCE = 15.0  # seconds a worker is given to save its last finished step


class Workers(NamedTuple):
    """jobs: how many rows are worked on at the same time. modules: the plug-ins that each worker
    imports first.
    """

    jobs: int
    modules: tuple[str, ...]


Work = Callable[[Sequence[Run], str], None]
"""What a worker does with one row of several runs: a function of a module, since it crosses to
other processes.
"""


class WorkerLost(RuntimeError):
    """A worker process was killed from outside, as by a machine that is out of memory (exit code
    1).
    """


def work_through(
    run: Path,
    runs: Sequence[Run],
    names: list[str],
    work: Work,
    workers: Workers,
    watch: Callable[[], None],
) -> None:
    """Do `work` on the rows `names` of all `runs` of the folder `run`.

    `watch` is called twice a second. A row that starts from another waits for that one.

    Raises: what `work` raises; Interrupted after a signal, the last finished steps saved;
    WorkerLost.
    """
    origins = dict(runs[0].job.origins)
    context = multiprocessing.get_context("spawn")
    arguments = (os.getpid(), run, workers.modules)
    pool = ProcessPoolExecutor(
        min(workers.jobs, len(names)), context, initializer=_start, initargs=arguments
    )
    with stoppable(run, lambda: _end(pool)) as stop:
        pending: dict[Future[None], str] = {}
        waiting, over = set(names), set[str]()
        try:
            while pending or waiting:
                ready = [
                    name
                    for name in names
                    if name in waiting and origins.get(name, name) in over | {name}
                ]
                waiting -= set(ready)
                with (
                    stopping.held()
                ):  # a worker that is just starting would die of them with a traceback
                    pending |= {pool.submit(_work, work, runs, name): name for name in ready}
                done, _ = wait(pending, timeout=0.5, return_when=FIRST_COMPLETED)
                stop.check()
                over |= {pending.pop(finished) for finished in done}
                for finished in done:
                    finished.result()
                watch()
        except BrokenProcessPool:
            stop.check()
            fix = (
                f"see log.txt; metaplast resume {run}, with fewer --jobs if the machine ran out "
                f"of memory"
            )
            raise WorkerLost(
                f"{run}: a worker process ended by itself - expected it to train its row - {fix}"
            ) from None
        finally:
            if pending:
                _end(pool)
            pool.shutdown(wait=not pending, cancel_futures=True)


def _end(pool: ProcessPoolExecutor) -> None:
    """Every worker saves its last finished step and ends; one that does not within PATIENCE is
    killed.
    """
    processes = list((pool._processes or {}).values())
    for process in processes:
        process.terminate()
    deadline = time.monotonic() + PATIENCE
    for process in processes:
        process.join(max(0.0, deadline - time.monotonic()))
        if process.is_alive():
            process.kill()


def _work(work: Work, runs: Sequence[Run], name: str) -> None:
    work(runs, name)
    train.forget()  # a worker trains many rows: the programs of the last one are not needed again
    gc.collect()


def _start(parent: int, run: Path, modules: tuple[str, ...]) -> None:
    """A worker saves and ends when it is told to, ends when the process that started it is gone,
    and leaves Ctrl-C to that one."""
    threads.one_each()
    stopping.listen(Stop(run, quiet=True), saver.HERE.end, patience=0.0)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    stopping.released()
    folder.logged(run).__enter__()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
    sys.stdout = sys.stderr
    for module in modules:
        import_module(module)
