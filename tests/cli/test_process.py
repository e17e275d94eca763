"""The command as a process: early signals, closed streams and full disks."""

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from metaplast.runs import folder
from metaplast.runs.metrics import MetricsFile
from tests.system._commands import here

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)
PROGRAM = (sys.executable, "-m", "metaplast.cli.main")
IN_A_CALLBACK = """
import gc, os, signal, time
from metaplast.cli import main

def busy(*arguments, **options):
    gc.callbacks.append(lambda phase, info: os.kill(os.getpid(), {number}))
    gc.collect()  # Python drops an exception that is raised in a callback of it
    time.sleep(60)

main.cli.main = busy
main.main(["list"])
"""


@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
def test_a_signal_before_anything_was_begun_ends_with_a_word(number: signal.Signals) -> None:
    script = IN_A_CALLBACK.format(number=int(number))
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=30
    )
    assert done.returncode == 128 + number
    message = f"interrupted by {number.name}, outside of a run - start again, or go on with a run"
    assert done.stderr == f"error: {message} that has begun: metaplast resume RUN_DIR\n"


def test_the_handlers_of_before_come_back(tmp_path: Path) -> None:
    before = [signal.getsignal(number) for number in SIGNALS]
    assert here("list", cwd=tmp_path)[0] == 0
    assert [signal.getsignal(number) for number in SIGNALS] == before
    assert signal.set_wakeup_fd(-1) == -1


@pytest.mark.system
@pytest.mark.parametrize("seconds", [0.6, 1.2, 1.8, 2.4, 3.0, 3.6])
def test_a_signal_at_any_time_before_the_first_step_ends_with_a_word(
    seconds: float, tmp_path: Path
) -> None:
    """A terminal sends the signal to all processes of its group, also to workers that start."""
    words = [*PROGRAM, "train", "experiment=regression", "outer.steps=100000", "--jobs", "2"]
    process = subprocess.Popen(
        words, cwd=tmp_path, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGINT)
    error = process.communicate(timeout=30)[1]
    assert process.returncode == 130, error
    assert error.count("error: interrupted") == 1
    assert "Traceback" not in error


def test_bare_metaplast_prints_help(tmp_path: Path) -> None:
    code, out, error = here(cwd=tmp_path)
    assert (code, error) == (0, "")
    assert out == here("--help", cwd=tmp_path)[1]
    assert "train" in out


@pytest.mark.parametrize("stream", ["2>&-", "2>/dev/full"])
def test_a_bad_name_is_exit_2_even_where_nobody_can_be_told(stream: str, tmp_path: Path) -> None:
    command = " ".join([*PROGRAM, "show", "ojaa", stream])
    done = subprocess.run(
        ["bash", "-c", command], cwd=tmp_path, check=False, timeout=30, stdout=subprocess.PIPE
    )
    assert (done.returncode, done.stdout) == (2, b"")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="of Linux")
def test_a_full_standard_output_is_named(tmp_path: Path) -> None:
    command = " ".join([*PROGRAM, "show", "oja", ">/dev/full"])
    done = subprocess.run(
        ["bash", "-c", command], cwd=tmp_path, check=False, timeout=30, stderr=subprocess.PIPE
    )
    assert done.returncode == 5
    assert done.stderr.startswith(b"error: standard output: No space left on device")


def _full(*_: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_full_disk_names_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file, metrics = tmp_path / "a.json", MetricsFile(tmp_path / "metrics.jsonl", 0)
    monkeypatch.setattr(folder.os, "fsync", _full)
    for write, path in (
        (lambda: folder.write_json(file, {}), file),
        (metrics.sync, tmp_path / "metrics.jsonl"),
    ):
        with pytest.raises(OSError, match=f"No space left on device: '{path}'"):
            write()
    metrics.close()


def test_within_a_run_an_error_without_a_name_names_its_folder(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=f"'{tmp_path}'"), folder.locked(tmp_path):
        _full()
    with pytest.raises(OSError, match="'other'"), folder.locked(tmp_path):
        raise OSError(errno.ENOSPC, "full", "other")
