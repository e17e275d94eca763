"""Print the cost of a newcomer's first command, row by row.

    python -m benchmarks.first_run [WORDS] [--jobs N]

`metaplast train WORDS` is run once with an empty compilation cache. Words and options are those of
the command.
"""

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import psutil

POLL = 0.25  # seconds between two looks at the memory
PROGRAM = "from metaplast.cli.main import main; main()"


class Memory(threading.Thread):
    """Follows the memory of a process and of all processes that it started.

    The memory of a process is its proportional set size where the system tells it, else its
    resident set size. `peak` is the largest sum, in bytes.
    """

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.pid = pid
        self.peak = 0

    def run(self) -> None:
        while psutil.pid_exists(self.pid):
            self.peak = max(self.peak, self._now())
            time.sleep(POLL)

    def _now(self) -> int:
        total = 0
        try:
            parent = psutil.Process(self.pid)
            for process in [parent, *parent.children(recursive=True)]:
                memory = process.memory_full_info()
                total += getattr(memory, "pss", memory.rss)
        except (psutil.Error, OSError):
            pass  # one of them ended meanwhile
        return total


def processor() -> str:
    """The name of the processor and the number of cores that this process may use."""
    names = [line for line in _read("/proc/cpuinfo").splitlines() if line.startswith("model name")]
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{names[0].partition(':')[2].strip() if names else 'unknown processor'}, {cores} cores"


def _read(path: str) -> str:
    try:
        return Path(path).read_text()
    except OSError:
        return ""


def measure(words: list[str], folder: Path) -> tuple[list[dict[str, Any]], dict[str, float]]:
    """(the lines of benchmarks._watch, the figures of the whole command)."""
    log = folder / "log.jsonl"
    run = folder / "run"
    settings = {"JAX_COMPILATION_CACHE_DIR": str(folder / "cache"), "FIRST_RUN_LOG": str(log)}
    options = ["--run-dir", str(run), "--import", "benchmarks._watch"]
    command = [sys.executable, "-c", PROGRAM, "train", *words, *options]
    before = os.times()
    started = time.monotonic()
    begun = time.time()
    process = subprocess.Popen(command, env={**os.environ, **settings})
    memory = Memory(process.pid)
    memory.start()
    code = process.wait()
    wall = time.monotonic() - started
    after = os.times()
    if code:
        raise SystemExit(code)
    memory.join()
    user = after.children_user - before.children_user
    system = after.children_system - before.children_system
    lines = []
    for text in log.read_text().splitlines():
        line = json.loads(text)
        lines.append({**line, "at": line["ended"] - begun})
    return lines, {"wall_s": wall, "cpu_s": user + system, "peak_gb": memory.peak / 1e9}


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        lines, whole = measure(sys.argv[1:], Path(folder))
    print(
        "| row | done after, s | CPU s | programs | compile s | of which tiny | trace "
        "s | lower s | peak GB |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    for line in lines:
        tiny = f"{line['tiny']} in {line['tiny_s']:.1f} s"
        figures = (line["trace_s"], line["lower_s"], line["peak_kib"] * 1024 / 1e9)
        print(
            f"| {line['name']} | {line['at']:.0f} | {line['cpu_s']:.1f} | "
            f"{line['programs']} | {line['compile_s']:.1f} "
            f"| {tiny} | " + " | ".join(f"{value:.1f}" for value in figures) + " |"
        )
    print(
        f"\nwall {whole['wall_s']:.0f} s, CPU {whole['cpu_s']:.0f} s, "
        f"{whole['peak_gb']:.2f} GB at the most"
    )
    print(processor())


if __name__ == "__main__":
    main()
