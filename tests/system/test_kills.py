"""Processes that are killed at random moments, also while they write checkpoints.

A resumed run has the bits of a whole run, for every checkpoint interval.
"""

import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.system._commands import bits, metaplast

WORDS = (
    "experiment=oja",
    "outer.steps=300",
    "evaluation.heldout=16",
    "evaluation.validation=16",
    "rows={}",
)
OUTER = {
    "bptt": (),
    "SNES": ("outer=es", "outer.steps=300", "outer.population=8"),
    "restarts": (
        *(
            "outer=es",
            "outer.steps=300",
            "outer.population=8",
            "outer.restarts=2",
            "outer.patience=20",
        ),
        *("space.own.leaves=rules/*", "space.own.scale=2"),
    ),
    "CMA_ES": ("outer=es", "outer.steps=300", "outer.population=8", "outer.strategy=CMA_ES"),
}
SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)


def _steps(run: Path) -> tuple[int, int]:
    """(step of the newest checkpoint, number of whole lines of metrics)."""
    saved = [int(path.name) for path in (run / "checkpoints").glob("0*") if path.name.isdigit()]
    log = run / "metrics.jsonl"
    return max(saved, default=0), log.read_text().count("\n") if log.exists() else 0


def _kill(command: list[str], run: Path, number: int, chance: random.Random, of: str = "") -> None:
    """Start a run, wait a random time after its training began, and send the signal.

    The run `of` of a group of runs is judged where it is given.
    """
    program = str(Path(sys.executable).with_name("metaplast"))
    process = subprocess.Popen(
        [program, *command, "--quiet"], cwd=run.parent, stderr=subprocess.PIPE, text=True
    )
    before, deadline = _steps(run / of)[1], time.monotonic() + 300
    while _steps(run / of)[1] <= before and time.monotonic() < deadline:
        assert process.poll() is None, (
            process.stderr and process.stderr.read()
        ) or "ended before it was killed"
        time.sleep(0.005)
    time.sleep(chance.uniform(0.0, 0.3))
    started = time.monotonic()
    process.send_signal(number)
    error = process.communicate(timeout=60)[1]
    saved, logged = _steps(run / of)
    assert not (run / of / "summary.json").exists(), (
        "the run ended before it was killed: this proves nothing"
    )
    if number == signal.SIGKILL:
        assert process.returncode == -number
        assert saved >= logged - 1  # checkpoints at every step: at most one interval is lost
    else:
        assert process.returncode == 128 + number, error
        assert time.monotonic() - started < 20
        assert saved == logged, "a finished step was lost"
        assert error.splitlines()[-1].endswith(f"metaplast resume {run}")
        assert "Traceback" not in error


def _same_bits(outer: str, folder: Path, kills: list[int], seed: int) -> None:
    chance, words = random.Random(seed), (*WORDS, *OUTER[outer])
    whole, run = folder / "whole", folder / "run"
    done = metaplast(
        "train", *words, "checkpoint_every=70", "--run-dir", str(whole), "--quiet", cwd=folder
    )
    assert done.returncode == 0, done.stderr
    command = ["train", *words, "checkpoint_every=1", "--run-dir", str(run)]
    for number in kills:
        _kill(command, run, number, chance)
        command = ["resume", str(run)]
    done = metaplast("resume", str(run), "--quiet", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert [
        json.loads(x)["outer_step"] for x in (run / "metrics.jsonl").read_text().splitlines()
    ] == [*range(1, 301)]
    assert bits(run) == bits(whole)


@pytest.mark.system
@pytest.mark.parametrize("outer", OUTER)
def test_twelve_kills(outer: str, tmp_path: Path) -> None:
    """Three runs are killed four times each."""
    kills = list(SIGNALS)
    random.Random(outer).shuffle(kills)
    _same_bits(outer, tmp_path, kills, seed=0)


@pytest.mark.system
def test_a_group_of_runs_is_killed_and_each_has_the_bits_that_it_has_alone(tmp_path: Path) -> None:
    alone, folder, chance = tmp_path / "alone", tmp_path / "group", random.Random(0)
    done = metaplast("train", *WORDS, "seed=1", "--run-dir", str(alone), "--quiet", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    command = ["train", *WORDS, "seeds=2", "checkpoint_every=1", "--run-dir", str(folder)]
    for number in (signal.SIGKILL, signal.SIGINT):
        _kill(command, folder, number, chance, "seed-1")
        command = ["resume", str(folder)]
    done = metaplast("resume", str(folder), "--quiet", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "t intervals over 2 splits" in done.stdout
    assert bits(folder / "seed-1") == bits(alone)


@pytest.mark.golden
@pytest.mark.parametrize("outer", OUTER)
@pytest.mark.parametrize("seed", range(1, 5))
def test_sixty_kills(outer: str, seed: int, tmp_path: Path) -> None:
    """Twelve runs are killed five times each."""
    _same_bits(outer, tmp_path, random.Random(seed).choices(SIGNALS, k=5), seed)


@pytest.mark.system
def test_a_signal_during_a_compilation_ends_within_twenty_seconds(tmp_path: Path) -> None:
    run = tmp_path / "run"
    words = [
        "train",
        "rows={}",
        "evaluation.references={}",
        "problem.n_tasks=7",
        "--run-dir",
        str(run),
        "--quiet",
    ]
    program = str(Path(sys.executable).with_name("metaplast"))
    environment = {"PATH": "", "HOME": str(tmp_path), "JAX_ENABLE_COMPILATION_CACHE": "false"}
    process = subprocess.Popen(
        [program, *words], cwd=tmp_path, stderr=subprocess.PIPE, text=True, env=environment
    )
    while not (
        run / "metrics.jsonl"
    ).exists():  # made after the trial save, just before the first step is compiled
        assert process.poll() is None
        time.sleep(0.01)
    time.sleep(0.3)
    assert not (run / "metrics.jsonl").read_text(), "compiled too soon to prove anything"
    started = time.monotonic()
    process.send_signal(signal.SIGTERM)
    error = process.communicate(timeout=60)[1]
    assert time.monotonic() - started < 20
    assert process.returncode == 143
    assert error.count("\n") == 1
    assert (run / "checkpoints" / "000000" / "manifest.json").exists()


@pytest.mark.system
def test_a_main_thread_that_does_not_come_back_is_not_waited_for(tmp_path: Path) -> None:
    """The main thread is in one call of C for minutes, and nobody reads the error."""
    script = f"""
import hashlib, threading
from pathlib import Path
from metaplast.runs.stopping import stoppable
saved = Path({str(tmp_path)!r}) / "saved"
with stoppable(saved, saved.touch, patience=1.0):
    print("ready", flush=True)
    hashlib.pbkdf2_hmac("sha256", b"", b"", 10**9)
"""
    pipe = subprocess.PIPE
    process = subprocess.Popen([sys.executable, "-c", script], stdout=pipe, stderr=pipe, text=True)
    assert process.stdout and process.stderr and process.stdout.readline() == "ready\n"
    process.stderr.close()
    started = time.monotonic()
    process.send_signal(signal.SIGTERM)
    process.wait(timeout=60)
    process.stdout.close()
    assert process.returncode == 143
    assert (tmp_path / "saved").exists()
    assert time.monotonic() - started < 10


@pytest.mark.system
def test_a_second_interrupt_ends_at_once(tmp_path: Path) -> None:
    """The save hangs, so only the second signal can end the process."""
    script = f"""
import os, signal, threading, time
from pathlib import Path
from metaplast.runs.stopping import stoppable
with stoppable(Path({str(tmp_path)!r}), lambda: time.sleep(1000)):
    print("ready", flush=True)
    time.sleep(1000)
"""
    process = subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout and process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGINT)
    time.sleep(0.5)
    assert process.poll() is None
    started = time.monotonic()
    process.send_signal(signal.SIGINT)
    assert "metaplast resume" in process.communicate(timeout=30)[1]
    assert process.returncode == 130
    assert time.monotonic() - started < 5
