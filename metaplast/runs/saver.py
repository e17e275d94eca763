"""The last finished states of what trains in this process, ready to be saved by whoever must."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import jax

from metaplast.runs import checkpoint
from metaplast.runs.folder import Busy
from metaplast.runs.metrics import MetricsFile


class Kept(NamedTuple):
    """Where a row of a run keeps its checkpoints and its metrics; digest: see
    `checkpoint.write`.
    """

    folder: Path
    digest: str
    metrics: MetricsFile


class Keeper:
    """A step and its metrics become the last finished one together, or not at all: `save`, called
    from any thread at any time, finds the two files of one moment."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._now: dict[Path, dict[str, Any]] = {}
        self._ended = threading.Event()

    @contextmanager
    def training(self, several: Sequence[Kept]) -> Iterator[None]:
        """One row at a time trains in a process, of one run or of several. Raises: Busy where
        another one does.
        """
        with self._lock:
            for folder in self._now:
                raise Busy(
                    f"{folder} trains in this process - expected one run at a time - use processes"
                )
            self._now.update(
                {kept.folder: {"kept": kept, "step": -1, "saved": -1} for kept in several}
            )
        try:
            yield
        finally:
            with self._lock:
                self._now.clear()
                for kept in several:
                    kept.metrics.close()

    def finished(self, folder: Path, step: int, state: Any, line: tuple[Any, ...]) -> None:
        """Outer step `step` is done: its state (copied to the host) and its line of metrics. After
        `end` nothing is.
        """
        host = jax.device_get(state)
        with self._lock:
            if self._ended.is_set():
                return
            now = self._now[folder]
            now["kept"].metrics.write(step, *line)
            now.update(step=step, state=host)

    def save(self) -> None:
        """Write the checkpoints of the last finished steps, unless they are written."""
        with self._lock:
            for now in self._now.values():
                if now["step"] > now["saved"]:
                    kept = now["kept"]
                    kept.metrics.sync()
                    checkpoint.write(kept.folder, now["step"], now["state"], kept.digest)
                    now["saved"] = now["step"]

    def end(self) -> None:
        """Save; no later step becomes a finished one."""
        with self._lock:
            self.save()
            self._ended.set()

    def renew(self) -> None:
        """A new run begins in this process."""
        self._ended.clear()


HERE = Keeper()  # one per process, as signals are
