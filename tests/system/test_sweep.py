"""Sweeps as a user runs them: killed at random moments, resumed, with members that fail."""

import csv
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from tests.system._commands import bits, here, metaplast

CONFIG = """
task: {name: teacher_student, n_in: 3, n_out: 2, n_steps: 4}
network: {name: feedforward, hidden: [], bounds: [-1.0e+38, 1.0e+38]}
feedback: {name: none}
rule: {name: polynomial, terms: [post*pre, post^2*weight]}
outer: {name: bptt, steps: 24}
problem: {n_tasks: 2}
evaluation: {validation: 4, heldout: 4, candidates: 1}
checkpoint_every: 1
"""


def _begin(folder: Path, *words: str) -> "subprocess.Popen[str]":
    program = str(Path(sys.executable).with_name("metaplast"))
    return subprocess.Popen(
        [program, *words, "--quiet"], cwd=folder, stderr=subprocess.PIPE, text=True
    )


def _steps(sweep: Path) -> int:
    """Outer steps of all runs so far."""
    return sum(log.read_text().count("\n") for log in sweep.rglob("metrics.jsonl"))


def _await_steps(sweep: Path, more_than: int, process: "subprocess.Popen[str]") -> None:
    deadline = time.monotonic() + 600
    while _steps(sweep) <= more_than and time.monotonic() < deadline:
        assert process.poll() is None, process.stderr and process.stderr.read()
        time.sleep(0.005)


def _kill_tree(process: "subprocess.Popen[str]") -> None:
    """Kill a process and all that it started."""
    root = psutil.Process(process.pid)
    tree = [root, *root.children(recursive=True)]
    for each in tree:
        each.suspend()  # it starts no other process
    tree += [each for each in root.children(recursive=True) if each not in tree]
    for each in tree:
        each.kill()
    process.communicate(timeout=60)
    psutil.wait_procs(tree[1:], timeout=60)


@pytest.mark.system
def test_a_sweep_ends_with_its_parent_and_goes_on_though_a_member_diverges(tmp_path: Path) -> None:
    (tmp_path / "tiny.yaml").write_text(CONFIG)
    words = ("--config", "tiny.yaml", "rule.rate=0.1,1e30", "outer.steps=800", "seed=3")
    process = _begin(tmp_path, "sweep", *words, "--run-dir", "sweep", "--jobs", "1")
    sweep = tmp_path / "sweep"
    _await_steps(sweep / "rule.rate-0.1", 0, process)
    members = psutil.Process(process.pid).children(recursive=True)
    assert members
    process.kill()
    process.communicate(timeout=60)
    gone, alive = psutil.wait_procs(members, timeout=60)
    assert gone and not alive
    assert not (sweep / "rule.rate-0.1" / "summary.json").exists(), "it ended before it was killed"
    code, said, error = here("resume", "sweep", "--quiet", cwd=tmp_path)
    assert code == 6
    assert error.splitlines()[-1].startswith(
        "error: sweep: failed: rule.rate-1e30 (exit code 6) - expected every member to end with 0"
    )
    assert "rule.rate-1e30 failed with exit code 6: " in said
    assert "20 outer steps in a row" in said
    with (sweep / "results.csv").open() as file:
        lines = list(csv.DictReader(file))
    assert {(line["rule.rate"], line["code"]) for line in lines} == {("1e30", "6"), ("0.1", "0")}
    code, table, _ = here("compare", "sweep", cwd=tmp_path)
    assert code == 0
    assert said.startswith(table)


@pytest.mark.golden
def test_twelve_kills_change_nothing(tmp_path: Path) -> None:
    (tmp_path / "tiny.yaml").write_text(CONFIG)
    words = ("--config", "tiny.yaml", "network.hidden=[],[3]", "seed=0,1", "outer.steps=600")
    done = metaplast("sweep", *words, "--run-dir", "whole", "--quiet", cwd=tmp_path, timeout=3600)
    assert done.returncode == 0, done.stderr
    whole, sweep = tmp_path / "whole", tmp_path / "sweep"
    chance = random.Random(0)
    command = ["sweep", *words, "--run-dir", "sweep", "--jobs", "2"]
    for _ in range(12):
        process = _begin(tmp_path, *command)
        _await_steps(sweep, _steps(sweep), process)
        time.sleep(chance.uniform(0.0, 0.3))
        _kill_tree(process)
        assert process.returncode == -signal.SIGKILL
        assert not (sweep / "sweep_result.json").exists(), "it ended before it was killed"
        command = ["resume", "sweep"]
    done = metaplast("resume", "sweep", "--quiet", cwd=tmp_path, timeout=3600)
    assert done.returncode == 0, done.stderr
    assert (sweep / "results.csv").read_bytes() == (whole / "results.csv").read_bytes()
    runs = sorted(path.parent.relative_to(whole) for path in whole.rglob("metrics.jsonl"))
    assert len(runs) == 4
    for run in runs:
        assert bits(sweep / run) == bits(whole / run)
