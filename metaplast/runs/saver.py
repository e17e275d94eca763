"""The saver of this process: it holds the newest state of every row that trains here.

Any thread may write these states as checkpoints at any time.
"""

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import jax
from jax.errors import JaxRuntimeError
from jax.experimental import multihost_utils

from metaplast.runs import checkpoint
from metaplast.runs.folder import Busy
from metaplast.runs.metrics import MetricsFile


class RowFiles(NamedTuple):
    """The files of a row that trains.

    folder: the folder of its checkpoints.
    digest: the digest of its config, see `checkpoint.write`.
    metrics: the open metrics.jsonl.
    """

    folder: Path
    digest: str
    metrics: MetricsFile


class FinishedStep(NamedTuple):
    """A finished outer step of a row.

    step: number of the step.
    state: state after the step.
    metrics: {name: value} of the step.
    wall_s: seconds that the step took.
    vectors: {name: numbers}, see `MetricsFile.write`.
    """

    step: int
    state: Any
    metrics: Mapping[str, Any]
    wall_s: float
    vectors: Mapping[str, Sequence[float]]


@dataclass
class _TrainingRow:
    """A row that trains.

    files: the files of the row.
    step: the last finished outer step; -1: none.
    saved: the outer step of the newest checkpoint; -1: none.
    state: the state after `step`.
    finished: the time at which `step` was finished, in seconds of `time.monotonic`.
    """

    files: RowFiles
    step: int = -1
    saved: int = -1
    state: Any = None
    finished: float = 0.0


class Saver:
    """The newest states of the rows that train in a process.

    A lock guards them: a checkpoint and metrics.jsonl always belong to the same outer step.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._rows: dict[Path, _TrainingRow] = {}
        self._ended = threading.Event()

    @contextmanager
    def training(self, rows: Sequence[RowFiles]) -> Iterator[None]:
        """Hold the states of some rows while they train.

        Args:
            rows: the files of one row, of one run or of several runs.

        Raises: Busy where another row trains in this process.
        """
        with self._lock:
            for folder in self._rows:
                raise Busy(
                    f"{folder} trains in this process - expected one run at a time - use processes"
                )
            self._rows.update({files.folder: _TrainingRow(files) for files in rows})
        try:
            yield
        except JaxRuntimeError:
            # A process of the job was lost, or memory ran out: the finished steps are still here.
            self._write()
            raise
        finally:
            with self._lock:
                self._rows.clear()
                for files in rows:
                    files.metrics.close()

    def finish(self, folder: Path, step: FinishedStep) -> None:
        """Write the metrics of a finished step, and keep its state on the host.

        A state that is spread over several processes stays where it is. After `end` nothing is
        written.
        """
        state = step.state
        if not is_spread(state):
            state = jax.device_get(state)
        with self._lock:
            if self._ended.is_set():
                return
            row = self._rows[folder]
            row.files.metrics.write(step.step, step.metrics, step.wall_s, step.vectors)
            row.step = step.step
            row.state = state
            row.finished = time.monotonic()

    def save(self) -> None:
        """Write a checkpoint of every row whose newest state has none.

        All processes of a job call it after the same step, since a state that is spread over them
        is gathered.
        """
        with self._lock:
            for row in self._rows.values():
                if is_spread(row.state):
                    row.state = gathered(row.state)
            self._write()

    def save_long_finished(self, seconds: float) -> None:
        """Write a checkpoint of every row whose newest state is here, and as old as that.

        Args:
            seconds: the least time since the step was finished.
        """
        self._write(seconds)

    def _write(self, seconds: float = 0.0) -> None:
        """Write a checkpoint of every row whose newest state is here and has none.

        seconds: see `save_long_finished`.
        """
        with self._lock:
            for row in self._rows.values():
                is_due = time.monotonic() - row.finished >= seconds
                if is_due and row.step > row.saved and not is_spread(row.state):
                    row.files.metrics.sync()
                    checkpoint.write(row.files.folder, row.step, row.state, row.files.digest)
                    row.saved = row.step

    def end(self) -> None:
        """Save what is here. Later steps are not kept.

        A state that is spread over several processes is not here. Its newest checkpoint stays.
        """
        with self._lock:
            self._write()
            self._ended.set()

    def renew(self) -> None:
        """Begin a new run in this process."""
        self._ended.clear()


def is_spread(state: Any) -> bool:
    """Whether a part of a state lies on devices of other processes alone."""
    for leaf in jax.tree.leaves(state):
        if not isinstance(leaf, jax.Array):
            continue
        if not leaf.is_fully_addressable and not leaf.is_fully_replicated:
            return True
    return False


def gathered(state: Any) -> Any:
    """A state on the host, from the devices of all processes. All of them have to call it."""

    def whole(leaf: Any) -> Any:
        if isinstance(leaf, jax.Array) and is_spread(leaf):
            return multihost_utils.process_allgather(leaf, tiled=True)
        return jax.device_get(leaf)

    return jax.tree.map(whole, state)


SAVER = Saver()
"""The only saver of the process. Signals come to a process, so there is one."""
