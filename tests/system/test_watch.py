"""A real run is watched while it trains and after it was stopped, and no file of it changes."""

import hashlib
import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.system._commands import here

pytestmark = pytest.mark.system

PROGRAM = (sys.executable, "-m", "metaplast.cli.main")
LONG = ("experiment=oja", "rows={}", "outer.steps=1000000", "checkpoint_every=1000000")


class State(NamedTuple):
    """What can be told of a file."""

    inode: int
    mode: int
    size: int
    changed_ns: int
    moved_ns: int
    digest: str


def _files(run: Path) -> dict[str, State]:
    """All files and folders of a run, the run itself among them."""
    files = {}
    for path in [run, *sorted(run.rglob("*"))]:
        status = path.stat()
        digest = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
        times = (status.st_mtime_ns, status.st_ctime_ns)
        files[str(path)] = State(status.st_ino, status.st_mode, status.st_size, *times, digest)
    return files


def _seen(cwd: Path) -> dict[str, Any]:
    code, out, error = here("watch", "run", "--json", cwd=cwd)
    assert (code, error, out.count("\n")) == (0, "", 1)
    return json.loads(out)


def test_a_run_is_watched_while_it_trains_and_after_it_was_stopped(tmp_path: Path) -> None:
    words = [*PROGRAM, "train", *LONG, "--run-dir", "run", "--quiet"]
    process = subprocess.Popen(words, cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    try:
        while not (tmp_path / "run" / "metrics.jsonl").is_file():
            assert process.poll() is None, process.communicate()
            time.sleep(0.2)
        seen = _seen(tmp_path)
        while seen["outer_steps"] < 5:
            assert process.poll() is None, process.communicate()
            time.sleep(0.2)
            seen = _seen(tmp_path)
    finally:
        process.terminate()
        error = process.communicate(timeout=60)[1]
    assert process.returncode == 143, error
    assert (seen["state"], seen["process"]) == ("running", process.pid)
    assert (seen["experiment"], seen["devices"], seen["of"]) == ("oja", "1 x cpu", 1_000_000)
    (row,) = seen["rows"]
    assert row["state"] == "training" and row["steps_per_s"] > 0 and seen["left_s"] > 0

    before = _files(tmp_path / "run")
    logged = (tmp_path / "run" / "metrics.jsonl").read_text().count("\n")
    seen = _seen(tmp_path)
    assert (seen["state"], seen["process"], seen["outer_steps"]) == ("interrupted", None, logged)
    code, out, _ = here("watch", "run", cwd=tmp_path)
    assert code == 0 and "discovered" in out
    code, shown = _left_by_ctrl_c(tmp_path)
    assert code == 130, shown
    assert "discovered" in shown and "error" not in shown and "Traceback" not in shown
    assert _files(tmp_path / "run") == before


def _left_by_ctrl_c(cwd: Path) -> tuple[int, str]:
    """(exit code, text) of a watch on a terminal that Ctrl-C leaves after its first picture."""
    terminal, other_end = pty.openpty()
    process = subprocess.Popen(
        [*PROGRAM, "watch", "run"],
        cwd=cwd,
        stdin=other_end,
        stdout=other_end,
        stderr=other_end,
        env={**os.environ, "TERM": "xterm"},
    )
    os.close(other_end)
    shown = b""
    is_told = False
    while True:
        try:
            more = os.read(terminal, 65_536)
        except OSError:  # the other end is closed
            break
        if not more:
            break
        shown += more
        if b"discovered" in shown and not is_told:
            is_told = True
            process.send_signal(signal.SIGINT)
    code = process.wait(timeout=60)
    os.close(terminal)
    return code, re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown.decode(errors="replace"))
