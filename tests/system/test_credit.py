"""The programs of docs/studies/credit.md, on a small run and on few points."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.system._commands import TINY, metaplast

pytestmark = pytest.mark.system

ROOT = Path(__file__).resolve().parents[2]
ALONE = ("rows={}", "feedback=direct")


def _module(name: str, *words: str) -> str:
    """The output of `python -m benchmarks.NAME WORDS`."""
    done = subprocess.run(
        [sys.executable, "-m", f"benchmarks.{name}", *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_run_of_credit_gives_angles_and_costs(tmp_path: Path) -> None:
    words = ("experiment=credit", *ALONE, *TINY, "--run-dir", "run", "--quiet")
    done = metaplast("train", *words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    (line,) = _module("credit", str(tmp_path / "run")).splitlines()[2:]
    row, angle, _, cost, _ = line.split(" | ")
    assert (row, cost) == ("| discovered", "1.0")
    assert 45 < float(angle.split(" / ")[0]) < 135


def test_yin_yang_runs_on_both_engines() -> None:
    for engine in ("events", "steps"):
        words = ("--engine", engine, "--hidden", "20", "--epochs", "1", "--seeds", "0")
        lines = [json.loads(line) for line in _module("yin_yang", *words).splitlines()]
        assert [line["row"] for line in lines] == ["learned", "frozen"]
        assert all(line["accuracy"] > 0.2 for line in lines)
