"""Two programs that do the same work, timed in turn, as one row of a Markdown table.

Times are CPU seconds of this process. A workload gives both of its sides here; `python -m
benchmarks.run` prints the rows of all workloads.
"""

import statistics
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import jax

REPEATS = 15
HEADER = (
    "| workload | framework | plain script | speed relative to plain (range) | updates/s "
    "| scratch, MB | first call | programs |\n|---|---|---|---|---|---|---|---|"
)
_COMPILED = "/jax/core/compile/backend_compile_duration"


class Side(NamedTuple):
    """One of two programs that do the same work.

    name: its name in the table; "" for the framework.
    function: a jitted function.
    args: its arguments.
    """

    name: str
    function: Any
    args: tuple[Any, ...]

    def run(self) -> Any:
        """The result of a run."""
        return self.function(*self.args)

    def scratch_mb(self) -> float:
        """The temporary memory of the compiled program, in MB."""
        compiled = self.function.lower(*self.args).compile()
        return compiled.memory_analysis().temp_size_in_bytes / 1e6


class FirstCall(NamedTuple):
    """The cost of a first call.

    cpu_s: CPU seconds of trace, compilation and run.
    compile_s: seconds in the compiler.
    programs: the number of compiled programs.
    """

    cpu_s: float
    compile_s: float
    programs: int


class Compilations:
    """The seconds of every compilation of this process, from the first instance on."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        jax.monitoring.register_event_duration_secs_listener(self._note)

    def _note(self, event: str, seconds: float, **_: Any) -> None:
        if event == _COMPILED:
            self.seconds.append(seconds)


COMPILATIONS = Compilations()


def cpu_seconds(run: Callable[[], Any]) -> float:
    """The CPU seconds of a run."""
    started = time.process_time()
    jax.block_until_ready(run())
    return time.process_time() - started


def first_call(side: Side) -> FirstCall:
    """The cost of the first call of a side, which nothing has called before."""
    before = len(COMPILATIONS.seconds)
    cpu_s = cpu_seconds(side.run)
    compiled = COMPILATIONS.seconds[before:]
    return FirstCall(cpu_s, sum(compiled), len(compiled))


class Row(NamedTuple):
    """Two sides compared.

    workload: its name.
    framework, plain: median CPU seconds.
    ratios: plain / framework of every pair, in ascending order.
    """

    workload: str
    framework: float
    plain: float
    ratios: list[float]


def compare(
    workload: str,
    ours: Side,
    theirs: Side,
    updates: float,
    first: FirstCall,
    repeats: int = REPEATS,
) -> Row:
    """Print a row: both sides in turn, after a run of each that is not timed.

    Args:
        workload: its name.
        ours: the framework.
        theirs: the plain script.
        updates: the synapse updates of a run.
        first: the cost of the framework's first call.
        repeats: the number of pairs.
    """
    pairs = []
    for _ in range(repeats + 1):
        pairs.append((cpu_seconds(ours.run), cpu_seconds(theirs.run)))
    pairs = pairs[1:]
    framework = statistics.median(ours for ours, _ in pairs)
    plain = statistics.median(theirs for _, theirs in pairs)
    ratios = sorted(theirs / ours for ours, theirs in pairs)
    row = Row(workload, framework, plain, ratios)
    cells = [
        workload,
        f"{1e3 * framework:.1f} ms",
        f"{theirs.name}, {1e3 * plain:.1f} ms",
        f"{statistics.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})",
        f"{updates / framework / 1e9:.2g} G",
        f"{ours.scratch_mb():.2f}, {theirs.scratch_mb():.2f}",
        f"{first.cpu_s:.1f} s, {first.compile_s:.1f} compiling",
        f"{first.programs}",
    ]
    print("| " + " | ".join(cells) + " |", flush=True)
    return row
