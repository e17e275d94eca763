"""Every command and every Python block of the README runs, in the order in which they stand."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.system._commands import TINY, metaplast

pytestmark = pytest.mark.system

ROOT = Path(__file__).resolve().parents[2]
BLOCKS = re.findall(r"```(bash|python)\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
SETUP = 2  # the first two bash blocks set up an environment: .ci/run executes the second, the main job is run below


def test_the_first_two_commands_are_the_ones_promised() -> None:
    first, second = (text.strip() for kind, text in BLOCKS[:SETUP] if kind == "bash")
    assert first.endswith(".venv/bin/metaplast train")
    assert second.endswith(".venv/bin/python -m pytest")
    for command in (first, second):
        assert command.startswith("python3 -m venv .venv && .venv/bin/pip install -q -r requirements/lock.txt -e ")


def test_every_command_runs(tmp_path: Path) -> None:
    ran = 0
    for kind, text in BLOCKS[SETUP:]:
        if kind == "python":
            done = subprocess.run(
                [sys.executable, "-c", text], cwd=tmp_path, capture_output=True, text=True, check=False
            )
            assert done.returncode == 0, f"{text}\n{done.stderr}"
            ran += 1
            continue
        for line in text.strip().splitlines():
            program, *words = shlex.split(line)
            assert program == "metaplast", line
            small = [*TINY, "checkpoint_every=1"] if words[0] == "train" else []
            done = metaplast(*words, *small, cwd=tmp_path)
            assert done.returncode == 0, f"{line}\n{done.stderr}"
            ran += 1
    assert ran >= 8
