"""Real processes under real limits of the machine: one line, the documented code, and the run can
go on.
"""

import resource
import subprocess
import sys
import time
from pathlib import Path

import pytest

from metaplast.runs import folder
from tests.system._commands import bits, metaplast

pytestmark = pytest.mark.system

WORDS = (
    "experiment=oja",
    "outer.steps=40",
    "checkpoint_every=10",
    "evaluation.heldout=8",
    "evaluation.validation=8",
)
PROGRAM = str(Path(sys.executable).with_name("metaplast"))


@pytest.mark.parametrize(
    ("which", "limit", "words"),
    [
        (resource.RLIMIT_FSIZE, "1000", "File too large"),
        (resource.RLIMIT_NOFILE, "max(map(int, os.listdir('/dev/fd'))) + 2", "Too many open files"),
    ],
    ids=["file size", "descriptors"],
)
def test_a_limit_is_one_line_and_exit_5(which: int, limit: str, words: str, tmp_path: Path) -> None:
    """The limit on file sizes stands for a quota: the trial save of a state of a few kilobytes hits
    it.
    """
    run = tmp_path / "run"
    script = (
        "import os, resource\n"
        "from metaplast.cli.main import main\n"
        "import matplotlib.pyplot, metaplast.training.kind, outer_loops.bptt, "
        "inner_tasks.teacher_student\n"
        "import jax; jax.numpy.zeros(3).block_until_ready()\n"
        f"resource.setrlimit({which}, ({limit}, {limit}))\n"
        f"main(['train', *{WORDS!r}, '--run-dir', {str(run)!r}, '--quiet'])\n"
    )
    environment = {
        "HOME": str(tmp_path / "home"),
        "JAX_ENABLE_COMPILATION_CACHE": "false",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False, env=environment
    )
    assert done.returncode == 5, done.stderr
    assert done.stderr.count("\n") == 1, done.stderr
    assert words in done.stderr
    if not (run / "config.yaml").exists():
        return  # nothing was begun
    whole = tmp_path / "whole"
    assert (
        metaplast("train", *WORDS, "--run-dir", str(whole), "--quiet", cwd=tmp_path).returncode == 0
    )
    done = metaplast("resume", str(run), "--quiet", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert bits(run) == bits(whole)


def test_two_runs_on_one_folder(tmp_path: Path) -> None:
    run = tmp_path / "run"
    words = ["experiment=oja", "outer.steps=100000", "--run-dir", str(run), "--quiet"]
    first = subprocess.Popen([PROGRAM, "train", *words], cwd=tmp_path, stderr=subprocess.DEVNULL)
    try:
        while not (run / "config.yaml").exists():
            assert first.poll() is None
            time.sleep(0.02)
        for command in (["train", *words], ["resume", str(run)]):
            started = time.monotonic()
            second = metaplast(*command, cwd=tmp_path)
            assert second.returncode == 3, second.stderr
            assert second.stderr.count("\n") == 1
            assert time.monotonic() - started < 5
    finally:
        first.kill()
        first.wait()
    folder.check_idle(run)  # the lock went with the kill
