"""Imported by every process of a run (`--import benchmarks._watch`): what each row compiles, and
what it costs.

One line of JSON for each row, and one for the rest of a process, goes to the file that
FIRST_RUN_LOG names.
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

    def heard(self, event: str, seconds: float, **_: Any) -> None:
        if event in STAGES:
            self.seconds[STAGES[event]].append(seconds)

    def close(self, name: str) -> None:
        """Write a line on what happened since the last one."""
        now, compiled = time.process_time(), self.seconds["compile"]
        line = {
            "name": name,
            "pid": os.getpid(),
            "ended": time.time(),
            "cpu_s": now - self.cpu,
            "programs": len(compiled),
            "tiny": sum(seconds < TINY for seconds in compiled),
            "tiny_s": sum(seconds for seconds in compiled if seconds < TINY),
            **{f"{stage}_s": sum(found) for stage, found in self.seconds.items()},
            "peak_kib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
        }
        with open(os.environ["FIRST_RUN_LOG"], "a") as file:
            file.write(json.dumps(line) + "\n")
        self.cpu, self.seconds = now, {stage: [] for stage in self.seconds}


ACCOUNT = Account()


def _closing(function: Callable[..., Any], name: Callable[..., str]) -> Callable[..., Any]:
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        finally:
            ACCOUNT.close(name(*args))

    return wrapped


jax.monitoring.register_event_duration_secs_listener(ACCOUNT.heard)
table_run.train_row = _closing(table_run.train_row, lambda runs, name, *_: name)
table_run.inspect_runs = _closing(report.inspect_runs, lambda *_: "page")
atexit.register(ACCOUNT.close, "rest")
