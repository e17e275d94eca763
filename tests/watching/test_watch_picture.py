"""The curve, the picture on a terminal, Ctrl-C, and what the command opens and imports."""

import io
import math
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from metaplast.runs.stopping import Interrupted
from metaplast.settings.names import DISCOVERED
from metaplast.watching import live
from metaplast.watching.folder_watch import FolderWatch
from metaplast.watching.seen import DONE, RUNNING, Facts, RunSeen
from metaplast.watching.sparkline import BLOCKS, PLAIN, sparkline
from metaplast.watching.terminal import picture
from tests.watching._folders import begun, finish, line, write_lines

AUDITED = """
import os, sys
sys.dont_write_bytecode = True
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
CHANGES = ("os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.truncate", "os.utime",
    "os.chmod", "os.link", "os.symlink", "fcntl.flock", "fcntl.lockf", "socket.connect")
found = []

def hook(event, arguments):
    if event == "open" and arguments[2] & WRITES:
        found.append(arguments[0])
    if event in CHANGES:
        found.append(event)

sys.addaudithook(hook)
from metaplast.cli.main import main
try:
    main(["watch", *sys.argv[1:]])
except SystemExit as ended:
    found.append(ended.code)
print(found, sorted({"jax", "pydantic", "numpy"} & set(sys.modules)))
"""


def test_a_curve_goes_from_its_lowest_to_its_highest_value() -> None:
    assert sparkline([1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0], 20) == BLOCKS
    assert sparkline([8.0, 8.0, 1.0, 1.0], 2) == "█▁"
    assert sparkline([1.0, math.nan, 2.0], 3) == "▁ █"
    assert sparkline([3.0, 3.0], 9) == "▁▁"
    assert sparkline([math.inf, math.nan], 9) == "  "
    assert sparkline([], 9) == ""


def test_a_curve_that_falls_far_is_drawn_by_logarithms() -> None:
    assert sparkline([1e4, 1e2, 1.0], 3) == "█▅▁"
    assert sparkline([-1.0, 1e2, 1.0], 3) == "▁█▁"


@given(st.lists(st.floats(width=32)), st.integers(1, 30))
def test_a_curve_of_any_numbers_fits(values: Sequence[float], width: int) -> None:
    drawn = sparkline(values, width)
    assert len(drawn) == min(width, len(values))
    assert set(drawn) <= {*BLOCKS, " "}


def _shown(seen: RunSeen, encoding: str = "utf-8") -> str:
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    Console(file=stream, width=80).print(picture(seen))
    stream.seek(0)
    return stream.read()


def test_a_picture_fits_80_columns(tmp_path: Path) -> None:
    rows = {DISCOVERED: 1_500_000, "backprop_sgd_per_layer": 1_500_000}
    run = begun(tmp_path / "run", rows=rows)
    for name in rows:
        write_lines(run, name, [line(step, -1.23456e-12) for step in range(1_200_000, 1_200_050)])
    shown = _shown(replace(FolderWatch(run).look(), path=Path("run")))
    assert max(map(len, shown.splitlines())) <= 80
    assert "1,200,049/1,500,000" in shown and "backprop_s" in shown
    assert "-1.23e-12" in shown and "42 h" in shown


def test_facts_that_do_not_fit_a_line_stand_whole_on_the_next_one(tmp_path: Path) -> None:
    run = begun(tmp_path / "run")
    facts = Facts("false_discovery", "0-99", "2026-11-30 12:33:22", "8 x NVIDIA H100 80GB HBM3")
    path = Path("runs/20261130-123322-false_discovery-0-99-ab12")
    lines = _shown(replace(FolderWatch(run).look(), path=path, facts=facts)).splitlines()
    assert lines[:2] == [
        f"{path}  false_discovery  seed 0-99",
        "8 x NVIDIA H100 80GB HBM3  begun 2026-11-30 12:33:22 UTC",
    ]


def test_a_terminal_without_blocks_gets_ascii(tmp_path: Path) -> None:
    run = begun(tmp_path / "run")
    write_lines(run, DISCOVERED, [line(step, loss=float(step)) for step in range(1, 8)])
    seen = replace(FolderWatch(run).look(), path=Path("run"))
    assert PLAIN in _shown(seen, "ascii")
    assert "▁" in _shown(seen)


class Looks:
    """A watch that sees some states, one after the other. A signal comes with the last."""

    def __init__(self, path: Path, states: Sequence[str], number: int | None = None) -> None:
        self.path = path
        self.states = list(states)
        self.number = number

    def look(self) -> RunSeen:
        state = self.states.pop(0)
        if self.number is not None and not self.states:
            os.kill(os.getpid(), self.number)
            self.states = [state]
        return RunSeen(self.path, "run", state)


def _until_the_end(looks: Looks) -> tuple[RunSeen, str]:
    console = Console(file=io.StringIO(), force_terminal=True, width=80)
    seen = live.until_the_end(looks, console)  # pyright: ignore[reportArgumentType]
    assert isinstance(console.file, io.StringIO)
    return seen, console.file.getvalue()


def test_the_picture_is_renewed_until_the_run_has_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "RENEWED_S", 0.0)
    looks = Looks(tmp_path, [RUNNING, RUNNING, DONE])
    seen, shown = _until_the_end(looks)
    assert (seen.state, looks.states) == (DONE, [])
    assert shown.index("running") < shown.index("done")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_leaves_the_picture(
    number: signal.Signals, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "RENEWED_S", 60.0)
    with pytest.raises(Interrupted) as ended:
        _until_the_end(Looks(tmp_path, [RUNNING], number))
    assert ended.value.code == 128 + number


@pytest.mark.parametrize("option", ["--json", "--once"])
def test_nothing_is_written_or_locked_and_jax_is_not_imported(option: str, tmp_path: Path) -> None:
    run = begun(tmp_path / "run")
    finish(run)
    (run / "log.txt").write_text("2026-01-31 12:00:00,123 WARNING loud\n")
    done = subprocess.run(
        [sys.executable, "-c", AUDITED, "run", option],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert done.stdout.splitlines()[-1] == "[0] []", done.stderr
