"""One job on several devices and in several processes: the numbers, what is sent, and losses."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests._devices import ROOT, on_devices

pytestmark = pytest.mark.system
LOOPS = ("bptt", "es", "pes")
MANY_NUMBERS = 100
"""More numbers than the losses of all lives or a theta; fewer than any state of all lives."""

PROGRAM = r"""
import json, re
from dataclasses import replace
import jax, numpy as np
from metaplast import search_loop
from metaplast.problem import meta_problem
from metaplast.problem.layout import gathered
from metaplast.runs.config import Sources, compose
from metaplast.runs.job import parse

jax.config.update("jax_disable_most_optimizations", True)
# The tasks of bptt are six on four devices.
words = {
    "bptt": ("problem.n_tasks=6",),
    "es": ("problem.n_tasks=3", "outer.population=8"),
    "pes": ("problem.n_tasks=3", "outer.population=8"),
}
names = "all-gather|all-reduce|all-to-all|collective-permute|reduce-scatter|collective-broadcast"
collective = re.compile(rf"= (.*?) (?:{names})(?:-start)?\(")
out = {"devices": jax.device_count()}


def problem_of(loop, n_devices):
    plain = compose(("experiment=oja", "rows={}", f"outer={loop}", *words[loop]), Sources())
    config = parse(plain).main
    return replace(config.meta_problem(), n_devices=n_devices), config.outer_loop()


def sent(compiled):
    sizes = [0]
    for types in collective.findall(compiled.as_text()):
        for shape in re.findall(r"\w+\[([\d,]*)\]", types):
            sizes.append(int(np.prod([int(n) for n in shape.split(",") if n] or [1])))
    return max(sizes), len(sizes) - 1


def compiled_step(problem, outer, state, batch, key):
    compiled = jitted.lower(problem, outer, state, batch, key).compile()
    all_sent.append(sent(compiled))
    return compiled(state, batch, key)


def searched(loop, n_devices, n_steps):
    problem, outer = problem_of(loop, n_devices)
    state = search_loop.begin(problem, outer, 0)
    all_sent.clear()
    found = []
    for _, state, metrics in search_loop.steps(problem, outer, 0, state, 0, n_steps):
        numbers = [*jax.tree.leaves(outer.theta(state)), metrics["loss"]]
        found.append([np.asarray(x, float).reshape(-1).tolist() for x in numbers])
    return found, max(all_sent)


all_sent = []
jitted = jax.jit(search_loop._step.__wrapped__, static_argnames=("problem", "outer"))
search_loop._step = compiled_step
for loop in words:
    for n in (1, 4):
        out[f"{loop} {n}"], out[f"{loop} {n} sent"] = searched(loop, n, n_steps=2)

# A wrong version, which brings the lives to all devices.
meta_problem._with_tasks_everywhere = gathered
jax.clear_caches()
_, out["wrong sent"] = searched("pes", 4, n_steps=1)
print(json.dumps(out))
"""


def test_four_devices_search_as_one_does_and_send_losses_and_sums_alone():
    out = on_devices(PROGRAM, 4)
    for loop in LOOPS:
        for four, one in zip(out[f"{loop} 4"], out[f"{loop} 1"], strict=True):
            for given, expected in zip(four, one, strict=True):
                assert given == pytest.approx(expected, rel=1e-5, abs=1e-7)
        most, n_sent = out[f"{loop} 4 sent"]
        assert n_sent > 0
        assert most < MANY_NUMBERS
        assert out[f"{loop} 1 sent"] == [0, 0]
    assert out["wrong sent"][0] > MANY_NUMBERS


WORDS = (
    "experiment=oja",
    "rows={}",
    "problem.n_tasks=6",
    "outer.steps=400",
    "checkpoint_every=20",
    "evaluation.validation=4",
    "evaluation.heldout=4",
    "evaluation.candidates=1",
)


ONE_PROGRAM = r"""
import json
from dataclasses import replace
import jax
from metaplast import search_loop
from metaplast.runs.config import Sources, compose
from metaplast.runs.job import parse

jax.config.update("jax_disable_most_optimizations", True)
words = {"bptt": ("problem.n_tasks=6",), "es": ("problem.n_tasks=4", "outer.population=8")}
out = {"devices": jax.device_count()}
for loop in words:
    plain = compose(("experiment=oja", "rows={}", f"outer={loop}", *words[loop]), Sources())
    config = parse(plain).main
    problem, outer = replace(config.meta_problem(), n_devices=4), config.outer_loop()
    before = search_loop._step._cache_size()
    for _ in search_loop.steps(problem, outer, 0, search_loop.begin(problem, outer, 0), 0, 3):
        pass
    out[loop] = search_loop._step._cache_size() - before
print(json.dumps(out))
"""


def test_an_outer_step_on_several_devices_is_one_program():
    out = on_devices(ONE_PROGRAM, 4)
    assert (out["bptt"], out["es"]) == (1, 1)


def test_a_lost_process_ends_the_other_and_one_device_goes_on(tmp_path: Path):
    run = tmp_path / "run"
    both = _two_processes("train", *WORDS, run=run, cwd=tmp_path)
    try:
        _wait_for_steps(run, 30, both)
        os.kill(_worker_of(both[1]), signal.SIGKILL)
        said = [process.communicate(timeout=120) for process in both]
    finally:
        for process in both:
            process.kill()
            process.communicate()
    for process, (output, errors) in zip(both, said, strict=True):
        assert process.returncode == 7, errors
        assert output == ""
        (line,) = errors.splitlines()
        assert line.startswith("error: ")
        assert "lost" in line
    assert f"metaplast resume {run}" in said[0][1]
    assert "first step of outer=bptt" in (run / "log.txt").read_text()
    assert "6 lives on 4 devices" in (run / "log.txt").read_text()
    begun = _lines(run)
    assert 30 <= len(begun) < 400
    saved = len(begun)
    if "a process of this job was lost" not in (run / "log.txt").read_text():
        # JAX ended process 0 from within, as it may. Then the newest checkpoint counts.
        assert (run / "jax.log").read_text()
        saved = max(int(path.name) for path in (run / "checkpoints").glob("[0-9]*"))
        assert saved > len(begun) - 20

    alone = tmp_path / "alone"
    done = _metaplast("train", *WORDS, "--run-dir", str(alone), cwd=tmp_path)
    done.communicate(timeout=300)
    assert done.returncode == 0
    for given, expected in zip(begun[:2], _lines(alone)[:2], strict=True):
        for name in ("loss", "theta"):
            assert given[name] == pytest.approx(expected[name], rel=1e-5, abs=1e-7)

    done = _metaplast("resume", str(run), cwd=tmp_path)
    done.communicate(timeout=300)
    assert done.returncode == 0
    ended = _lines(run)
    assert [line["outer_step"] for line in ended] == list(range(1, 401))
    assert ended[:saved] == begun[:saved]  # no finished step was lost
    assert (run / "summary.json").is_file()


def _two_processes(*words: str, run: Path, cwd: Path) -> list["subprocess.Popen[str]"]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    both = []
    for index in range(2):
        place = (
            f"distributed.coordinator=127.0.0.1:{port}",
            "distributed.processes=2",
            f"distributed.id={index}",
        )
        command = [*words, *place, "--run-dir", str(run), "--quiet"]
        both.append(_metaplast(*command, cwd=cwd, devices=2))
    return both


def _metaplast(*words: str, cwd: Path, devices: int = 1) -> "subprocess.Popen[str]":
    environment = {
        **os.environ,
        "XLA_FLAGS": f"--xla_force_host_platform_device_count={devices}",
        "JAX_PLATFORMS": "cpu",
        "PYTHONPATH": str(ROOT),
        "JAX_COMPILATION_CACHE_DIR": str(cwd / "cache"),
    }
    return subprocess.Popen(
        [sys.executable, "-m", "metaplast.cli.main", *words],
        cwd=cwd,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _wait_for_steps(run: Path, n: int, processes: list["subprocess.Popen[str]"]) -> None:
    deadline = time.monotonic() + 300
    metrics = run / "metrics.jsonl"
    while not metrics.is_file() or metrics.read_bytes().count(b"\n") < n:
        for process in processes:
            assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)


def _worker_of(process: "subprocess.Popen[str]") -> int:
    """The process in which a process of a job works."""
    children = Path(f"/proc/{process.pid}/task").glob("*/children")
    for child in " ".join(each.read_text() for each in children).split():
        if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes():
            return int(child)
    raise AssertionError("no worker")


def _lines(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
