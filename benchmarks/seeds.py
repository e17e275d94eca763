"""Print the throughput of runs that train together against the same runs alone.

    python -m benchmarks.seeds

Times are CPU seconds of one pinned core. Whole programs begin with an empty compilation cache of
their own.
"""

from benchmarks._pin import pin

if __name__ == "__main__":
    pin()

import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import jax

from metaplast import search_loop
from metaplast.runs.config import Sources, compose
from metaplast.runs.job import parse

N = 8
STEPS = 100
FEW = 10
REPEATS = 7
WORDS = ("experiment=oja", f"outer.steps={STEPS}", "evaluation.heldout=256")
SIZES = (("32 lives a step", ()), ("1 life a step", ("problem.n_tasks=1",)))
PROGRAM = [sys.executable, "-m", "metaplast.cli.main"]
IN_ONE = f"""
from pathlib import Path
from metaplast.runs import start_up
start_up.prepare()
from metaplast.runs import lifecycle
from metaplast.runs.lifecycle import Means, Request
from metaplast.training.kind import KIND
from metaplast.runs.config import Sources, compose
for seed in range({N}):
    plain = compose([*{WORDS!r}, f"seed={{seed}}"], Sources())
    lifecycle.start(KIND, Request(plain), Path(f"run{{seed}}"), Means(jobs=1))
"""


def cpu_seconds(commands: list[list[str]]) -> float:
    """The CPU seconds of commands one after the other.

    The compilation cache is empty before the first.
    """
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    with tempfile.TemporaryDirectory() as folder:
        tree = str(Path(__file__).parents[1])
        environment = {**os.environ, "XDG_CACHE_HOME": folder, "PYTHONPATH": tree}
        for command in commands:
            subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def programs() -> None:
    """Measure whole runs, from the command to the reports."""
    words = [*PROGRAM, "train", *WORDS, "--quiet"]
    each = [[*words, f"seed={seed}", "--run-dir", f"run{seed}"] for seed in range(N)]
    group = [*words, f"seeds={N}", "--run-dir", "group"]
    sides = {
        "a process for each run": each,
        "one command, seeds=8": [group],
        "one command, seeds=8 lockstep=true": [[*group, "lockstep=true"]],
        "one process, a run after the other": [[sys.executable, "-c", IN_ONE]],
    }
    print(f"{N} runs of {STEPS} outer steps, whole programs:")
    base = 0.0
    for name, commands in sides.items():
        took = cpu_seconds(commands)
        base = base or took
        speed = f"{N * STEPS / took:.1f} outer steps/s"
        print(f"    {name}: {took:.1f} s, {speed}, x{base / took:.2f}", flush=True)


def steps(name: str, words: tuple[str, ...]) -> None:
    """Measure outer steps alone, with everything compiled.

    Args:
        name: of the size of a step.
        words: the words of this size.
    """
    config = parse(compose([*WORDS, *words], Sources())).main
    problem = config.meta_problem()
    outer = config.outer_loop()
    runs = [
        search_loop.OuterRun(seed, search_loop.begin(problem, outer, seed)) for seed in range(N)
    ]

    def alone() -> None:
        for run in runs:
            *_, last = search_loop.steps(problem, outer, run.seed, run.state, 0, FEW)
            jax.block_until_ready(last)

    def together(lockstep: bool) -> Callable[[], None]:
        def go() -> None:
            *_, last = search_loop.steps_many(problem, outer, runs, 0, FEW, lockstep)
            jax.block_until_ready(last[1:])

        return go

    sides = {"in turn": together(False), "in lockstep": together(True)}
    alone()
    for side in sides.values():
        side()
    times: dict[str, list[float]] = {"alone": [], **{side: [] for side in sides}}
    for _ in range(REPEATS):
        for side, go in {"alone": alone, **sides}.items():
            started = time.process_time()
            go()
            times[side].append(time.process_time() - started)
    base = statistics.median(times["alone"])
    print(
        f"{N} runs of {FEW} outer steps, {name}, compiled: a run after the other "
        f"{N * FEW / base:.0f} outer steps/s"
    )
    for side in sides:
        ratios = sorted(a / b for a, b in zip(times["alone"], times[side], strict=True))
        print(f"    {side}: x{statistics.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})")


if __name__ == "__main__":
    for size in SIZES:
        steps(*size)
    programs()
