"""Many outer steps of a tiny problem: memory, descriptors and threads stay flat, one compilation
per function and shape, the log is bounded."""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import jax
import psutil
import pytest

from metaplast.runs.config import read_yaml
from tests._runs import start_run

CONFIG = """
task: {name: teacher_student, n_in: 3, n_out: 2, n_steps: 4}
network: {name: feedforward, hidden: []}
feedback: {name: none}
rule: {name: polynomial, terms: [post*pre, post^2*weight]}
outer: {name: bptt, steps: STEPS}
problem: {n_tasks: 2}
evaluation: {validation: 4, heldout: 4, candidates: 1}
checkpoint_every: 50
"""


@contextmanager
def _compilations() -> Iterator[list[str]]:
    """The names of the functions that are compiled within."""
    names: list[str] = []

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.getMessage().startswith("Compiling "):
                names.append(record.getMessage())

    log, listener = logging.getLogger("jax._src.interpreters.pxla"), Listener()
    log.addHandler(listener)
    try:
        with jax.log_compiles(True):
            yield names
    finally:
        log.removeHandler(listener)


def _soak(steps: int, folder: Path) -> None:
    jax.clear_caches()  # what other tests compiled in this process does not count
    process = psutil.Process()
    early, late, seen = (
        steps // 4,
        steps - 1,
        {},
    )  # in the last step the candidate is kept: another function

    def progress(_: str, done: int, __: int) -> None:
        if done in (early, late):
            seen[done] = (
                process.memory_info().rss,
                process.num_fds(),
                threading.active_count(),
                len(names),
            )

    with _compilations() as names:
        start_run(
            read_yaml(CONFIG.replace("STEPS", str(steps)), "test"), folder / "run", 1, progress
        )
    (rss, files, threads, compiled), (rss_end, files_end, threads_end, compiled_end) = (
        seen[early],
        seen[late],
    )
    assert rss_end - rss < 20 * 2**20, (
        f"{(rss_end - rss) / 2**20:.1f} MiB more after {steps - early} steps"
    )
    assert files_end <= files
    assert threads_end <= threads
    assert compiled > 3  # the control: compilations are seen at all
    assert compiled_end == compiled, names[compiled:]
    assert sum(name.startswith("Compiling jit(_step)") for name in names) == 1, names
    lines = (folder / "run" / "metrics.jsonl").read_text().splitlines()
    assert len(lines) == steps
    assert max(map(len, lines)) < 1000
    assert "WARNING" not in (folder / "run" / "log.txt").read_text()


@pytest.mark.system
def test_a_thousand_steps(tmp_path: Path) -> None:
    _soak(1000, tmp_path)


@pytest.mark.golden
def test_ten_thousand_steps(tmp_path: Path) -> None:
    _soak(10_000, tmp_path)
