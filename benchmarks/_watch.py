"""The compilations and the cost of each row, noted in every process of a run.

A run loads this module with `--import benchmarks._watch`. One line of JSON for each row, and one
for the rest of a process, goes to the file that FIRST_RUN_LOG names.
"""

import atexit
import json
import os
import resource
import time
from collections.abc import Callable
from typing import Any

import jax

from metaplast.training import page as report
from metaplast.training import table_run

STAGES = {
    "/jax/core/compile/jaxpr_trace_duration": "trace",
    "/jax/core/compile/jaxpr_to_mlir_module_duration": "lower",
    "/jax/core/compile/backend_compile_duration": "compile",
}
TINY = 0.1  # seconds of compilation


class Account:
    """Seconds of every compilation since the last line was written."""

    def __init__(self) -> None:
        self.seconds: dict[str, list[float]] = {name: [] for name in STAGES.values()}
        self.cpu = 0.0  # from the start of the process: the first row pays for the imports

    def note(self, event: str, seconds: float, **_: Any) -> None:
        """Take one event of JAX."""
        if event in STAGES:
            self.seconds[STAGES[event]].append(seconds)

    def close(self, name: str) -> None:
        """Write a line on everything since the last one."""
        now = time.process_time()
        compiled = self.seconds["compile"]
        tiny = [seconds for seconds in compiled if seconds < TINY]
        line = {
            "name": name,
            "pid": os.getpid(),
            "ended": time.time(),
            "cpu_s": now - self.cpu,
            "programs": len(compiled),
            "tiny": len(tiny),
            "tiny_s": sum(tiny),
            **{f"{stage}_s": sum(seconds) for stage, seconds in self.seconds.items()},
            "peak_kib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
        }
        with open(os.environ["FIRST_RUN_LOG"], "a") as file:
            file.write(json.dumps(line) + "\n")
        self.cpu = now
        self.seconds = {stage: [] for stage in self.seconds}


ACCOUNT = Account()


def _closing(function: Callable[..., Any], name: Callable[..., str]) -> Callable[..., Any]:
    """The function, which closes the account under `name(*args)` at its end."""

    def wrapped(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        finally:
            ACCOUNT.close(name(*args))

    return wrapped


jax.monitoring.register_event_duration_secs_listener(ACCOUNT.note)
table_run.train_row = _closing(table_run.train_row, lambda runs, name, *_: name)
table_run.inspect_runs = _closing(report.inspect_runs, lambda *_: "page")
atexit.register(ACCOUNT.close, "rest")
