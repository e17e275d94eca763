"""The last finished state of what trains in this process, ready to be saved by whoever must."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jax

from metaplast.launch import checkpoint
from metaplast.launch.folder import Busy
from metaplast.launch.metrics import MetricsFile


class Keeper:
    """A step and its metrics become the last finished one together, or not at all: `save`, called from any thread at
    any time, finds the two files of one moment."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._now: dict[str, Any] = {}
        self._ended = threading.Event()

    @contextmanager
    def training(self, folder: Path, digest: str, metrics: MetricsFile) -> Iterator[None]:
        """One row at a time trains in a process. Raises: Busy where another one does."""
        with self._lock:
            if self._now:
                raise Busy(f"{self._now['folder']} trains in this process - expected one run at a time - use processes")
            self._now.update(folder=folder, digest=digest, metrics=metrics, step=-1, saved=-1)
        try:
            yield
        finally:
            with self._lock:
                self._now.clear()
                metrics.close()

    def finished(self, step: int, state: Any, line: tuple[Any, ...]) -> None:
        """Outer step `step` is done: its state (copied to the host) and its line of metrics. After `end` nothing is."""
        host = jax.device_get(state)
        with self._lock:
            if self._ended.is_set():
                return
            self._now["metrics"].write(step, *line)
            self._now.update(step=step, state=host)

    def save(self) -> None:
        """Write the checkpoint of the last finished step, unless it is written."""
        with self._lock:
            now = self._now
            if now.get("step", -1) > now.get("saved", -1):
                now["metrics"].sync()
                checkpoint.write(now["folder"], now["step"], now["state"], now["digest"])
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
