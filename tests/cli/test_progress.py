"""Forecasts by a clock that the test sets, and progress in a pipe and in a terminal."""

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from pathlib import Path

import pytest

from metaplast.api.pace import Pace
from metaplast.api.progress import Bars, Screen
from metaplast.comparing.kind import budget_words
from metaplast.fitting.kind import KIND as FITTING
from metaplast.runs.spans import duration
from metaplast.settings.compare import Compare
from metaplast.training.kind import KIND as TRAINING

DAY = 86_400.0
OJA = (
    "experiment=oja",
    "outer.steps=40",
    "evaluation.heldout=8",
    "evaluation.validation=8",
    "evaluation.candidates=1",
)
PROGRAM = (sys.executable, "-m", "metaplast.cli.main")


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_pace_leaves_out_what_came_before_the_first_count() -> None:
    clock = Clock()
    pace = Pace(clock)
    pace.seen("a", 0, 100)
    clock.now = 50.0  # a compilation
    pace.seen("a", 1, 100)
    assert pace.left() is None
    clock.now = 52.0
    pace.seen("a", 2, 100)
    assert pace.left() == pytest.approx(98 * 2.0)


def test_stages_that_wait_go_at_the_mean_pace_and_those_under_way_side_by_side() -> None:
    clock = Clock()
    pace = Pace(clock)
    for name in "abc":
        pace.seen(name, 0, 10)
    for done in (1, 2):
        clock.now = float(done)
        pace.seen("a", done, 10)
        pace.seen("b", 2 * done, 10)
    assert pace.left() == pytest.approx((8 * 1.0 + 6 * 0.5 + 10 * 0.75) / 2)


def test_a_stage_that_begins_anew_keeps_its_pace() -> None:
    clock = Clock()
    pace = Pace(clock)
    for done, now in ((1, 0.0), (5, 8.0), (1, 100.0)):
        clock.now = now
        pace.seen("a", done, 5)
    assert pace.left() == pytest.approx(4 * 2.0)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.0, "1 s"),
        (40.4, "40 s"),
        (119.0, "119 s"),
        (150.0, "2.5 min"),
        (3 * 3600.0, "3 h"),
        (57 * DAY, "57 days"),
    ],
)
def test_spans_in_words(seconds: float, words: str) -> None:
    assert duration(seconds) == words
    assert duration(160 * 365 * DAY) == "160 years"


@pytest.mark.parametrize("silent", [False, True])
def test_a_budget_of_57_days_is_named_after_two_steps_even_where_no_bars_are_wanted(
    silent, capsys
) -> None:
    clock = Clock()
    screen = Screen(silent, TRAINING.counted, clock)
    for step in (1, 2, 3):
        clock.now = 57.0 * step
        screen("discovered", step, 86_400)
    error = capsys.readouterr().err
    assert (
        error.count("forecast: about 57 days; Ctrl-C saves what is done, metaplast resume goes on")
        == 1
    )
    assert ("discovered: 86,400 outer steps" in error) is not silent


def test_what_is_short_has_no_forecast_and_a_part_is_a_lower_bound(capsys) -> None:
    for counted, total in ((TRAINING.counted, 20), (FITTING.counted, 200)):
        clock = Clock()
        screen = Screen(False, counted, clock)
        for step in (1, 2):
            clock.now = float(step)
            screen("discovered", step, total)
    assert re.findall("forecast.*", capsys.readouterr().err) == ["forecast: at least about 3.3 min"]


def test_the_budget_of_a_comparison_is_known_before_it_starts() -> None:
    words = budget_words(Compare(tries=6, seeds=5, cpu_s=57 * DAY / 22, lives=0.0), 2)
    assert words.startswith("at least 22 trainings of 2 outer loops")
    assert words.endswith("at least 57 days of CPU time in all")


def test_a_bar_says_what_it_counts_and_never_that_no_time_is_left() -> None:
    bars = Bars(TRAINING.counted)
    clock = Clock()
    bars.pace.clock = clock
    texts = []
    for step in (1, 2, 3, 4):
        clock.now = 10.0 * step
        bars("discovered", step, 4)
        fields = bars.bars.tasks[0].fields
        texts.append((fields["count"], fields["left"]))
    bars.bars.stop()
    assert texts[1:] == [
        ("2/4 outer steps", "20 s left"),
        ("3/4 outer steps", "10 s left"),
        ("4/4 outer steps", "done"),
    ]


def _in_a_terminal(words: list[str], cwd: Path) -> tuple[int, list[str]]:
    """(exit code, text of each line) of a command in a terminal of 80 columns."""
    terminal, other_end = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    environment = {**os.environ, "TERM": "xterm"}
    process = subprocess.Popen(
        [*PROGRAM, *words],
        cwd=cwd,
        stdin=other_end,
        stdout=other_end,
        stderr=other_end,
        env=environment,
    )
    os.close(other_end)
    shown = b""
    while True:
        try:
            more = os.read(terminal, 65_536)
        except OSError:  # the other end is closed
            break
        if not more:
            break
        shown += more
    code = process.wait(timeout=120)
    os.close(terminal)
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown.decode(errors="replace"))
    return code, [line for line in re.split(r"[\r\n]+", plain) if line.strip()]


@pytest.mark.system
def test_a_terminal_of_80_columns(tmp_path: Path) -> None:
    code, lines = _in_a_terminal(["train", *OJA, "--run-dir", "run"], tmp_path)
    assert code == 0, lines
    bars = [line for line in lines if "━" in line]
    assert any("/40 outer steps" in line for line in bars)
    assert not [line for line in bars if len(line) > 80]
    assert not [line for line in lines if "0:00:00" in line or " 0 s left" in line]


@pytest.mark.system
def test_a_pipe_gets_a_line_for_every_stage(tmp_path: Path) -> None:
    words = [*PROGRAM, "train", *OJA, "--run-dir", "run"]
    done = subprocess.run(
        words, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    lines = done.stderr.splitlines()
    assert lines[0] == "run: 1 row"
    assert lines[1] == "discovered: 40 outer steps"
    assert lines[2].startswith("discovered   ")
    assert "\x1b" not in done.stderr + done.stdout and "━" not in done.stderr
