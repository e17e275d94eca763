"""A grid as a user makes it: killed in the middle, then started again."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.system._commands import metaplast

pytestmark = pytest.mark.system

COMMAND = (
    *("eval", "zoo/delta", "experiment=readout", "task.shots=1", "task.queries=1"),
    *("evaluation.validation=4", "evaluation.candidates=1", "problem.n_tasks=2"),
    *("--grid", "--factor", "task.shots=2", "--row", "linear_readout"),
    *("--budget", "1", "--lives", "12", "--out", "grid"),
)


def _cells(path: Path) -> list[Path]:
    return sorted((path / "grid" / "cells").glob("*/cell.json"))


def test_a_killed_grid_goes_on_where_it_was(tmp_path):
    program = Path(sys.executable).with_name("metaplast")
    started = subprocess.Popen(
        [str(program), *COMMAND], cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 300
    while not _cells(tmp_path) and started.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    started.kill()
    started.wait()
    before = {path: path.stat().st_mtime_ns for path in _cells(tmp_path)}
    assert len(before) == 1

    done = metaplast(*COMMAND, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines() == ["2 of 2: task.shots 2"]
    for path, written in before.items():
        assert path.stat().st_mtime_ns == written
    plain = json.loads((tmp_path / "grid" / "grid.json").read_text())
    assert [cell["level"] for cell in plain["cells"]] == ["as given", "2"]
    for cell in plain["cells"]:
        assert cell["cell"]["baseline"] == "linear_readout"
        assert cell["cell"]["n"] == cell["health"]["n"] == 12
    assert "in 1 outer steps; its file tells of no search" in done.stdout
    assert (tmp_path / "grid" / "grid.svg").is_file()
