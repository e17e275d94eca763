"""The processes of a sweep, with small programs in place of trainings."""

import os
import signal
import sys
from pathlib import Path

import pytest

from metaplast.cli.main import report
from metaplast.runs.exit_codes import LOST
from metaplast.runs.lifecycle import Means
from metaplast.runs.stopping import Interrupted, stoppable
from metaplast.sweeping import processes
from metaplast.sweeping.members import Member
from metaplast.sweeping.outcome import MemberOutcome, MembersFailed
from metaplast.sweeping.processes import command_of, work_through

MEMBERS = [Member(name, [], [], {}) for name in ("a", "b", "c", "d")]
DONE = "open('{name}.done', 'w')"
FAILS = "import sys; sys.stderr.write('1\\nerror: no luck\\n'); sys.exit(6)"
KILLED = "import os; os.kill(os.getpid(), 9)"
WAITS = """
import signal, sys, time
def end(*_):
    open('{name}.saved', 'w')
    sys.exit(143)
signal.signal(signal.SIGTERM, end)
open('{name}.began', 'w')
time.sleep(600)
"""
COUNTS = """
import os, time
mine = '{name}.running'
open(mine, 'w')
time.sleep(0.3)
n = len([name for name in os.listdir('.') if name.endswith('.running')])
open('{name}.saw-%d' % n, 'w')
os.remove(mine)
open('{name}.done', 'w')
"""


@pytest.fixture
def programs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, str]:
    """{member: the program that is run in its place}, in tmp_path."""
    programs: dict[str, str] = {}

    def command(path: Path, index: int, *_: object) -> list[str]:
        name = MEMBERS[index].name
        return [sys.executable, "-S", "-E", "-c", programs[name].replace("{name}", name)]

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(processes, "command_of", command)
    monkeypatch.setattr(processes, "POLL", 0.02)
    monkeypatch.setattr(
        processes, "is_finished", lambda path: path.with_name(f"{path.name}.done").exists()
    )
    return programs


def test_members_that_fail_are_left_aside_and_tried_again(
    programs: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    programs |= {"a": FAILS, "b": DONE, "c": KILLED, "d": DONE}
    lines: list[str] = []
    seen: list[tuple[str, float, float]] = []
    means = Means(progress=lambda *stage: seen.append(stage), say=lines.append)
    ends = work_through(tmp_path, MEMBERS, 1, means)
    assert ends == [
        MemberOutcome("a", 6, "no luck"),
        MemberOutcome("b", 0),
        MemberOutcome("c", LOST, "its process was killed by signal 9"),
        MemberOutcome("d", 0),
    ]
    assert seen[-1] == ("sweep", 4, 4)
    assert lines[0] == "a: failed with exit code 6: no luck"
    assert lines[1] == "b: done"
    assert report(MembersFailed(tmp_path, [ends[0]])) == 6
    assert report(MembersFailed(tmp_path, [ends[0], ends[2]])) == LOST
    line = capsys.readouterr().err.splitlines()[-1]
    assert f"failed: a (exit code 6), c (exit code {LOST})" in line
    programs |= {"a": DONE, "c": DONE}
    del programs["b"], programs["d"]  # they are not started again
    ends = work_through(tmp_path, MEMBERS, 2, Means())
    assert ends == [MemberOutcome(member.name, 0) for member in MEMBERS]


def test_no_more_than_the_jobs_run_at_a_time(programs: dict[str, str], tmp_path: Path) -> None:
    programs |= dict.fromkeys("abcd", COUNTS)
    work_through(tmp_path, MEMBERS, 2, Means())
    most = max(int(path.name[-1]) for path in tmp_path.glob("*.saw-*"))
    assert most == 2
    assert len(list(tmp_path.glob("*.saw-*"))) == 4


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGUSR1])
def test_a_signal_lets_every_member_save(
    number: signal.Signals, programs: dict[str, str], tmp_path: Path
) -> None:
    programs |= dict.fromkeys("abcd", WAITS)
    sent: list[int] = []

    def progress(*_: object) -> None:
        if len(list(tmp_path.glob("*.began"))) == 2 and not sent:
            sent.append(number)
            os.kill(os.getpid(), number)

    with pytest.raises(Interrupted) as caught, stoppable(tmp_path, lambda: None) as stop:
        work_through(tmp_path, MEMBERS, 2, Means(progress, stop=stop))
    assert caught.value.code == 128 + number
    assert f"metaplast resume {tmp_path}" in str(caught.value)
    assert len(list(tmp_path.glob("*.saved"))) == 2
    assert len(list(tmp_path.glob("*.began"))) == 2


def test_members_take_the_memory_of_a_device_as_they_need_it(
    programs: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "XLA_PYTHON_CLIENT_PREALLOCATE"
    looks = f"import os; open('{{name}}.done', 'w').write(os.environ['{name}'])"
    programs["a"] = looks
    for given, found in ((None, "false"), ("true", "true")):
        monkeypatch.delenv(name, raising=False)
        if given is not None:
            monkeypatch.setenv(name, given)
        work_through(tmp_path, MEMBERS[:1], 1, Means())
        assert (tmp_path / "a.done").read_text() == found
        (tmp_path / "a.done").unlink()


def test_the_command_of_a_member_ends_with_its_parent() -> None:
    command = command_of(Path("runs/a"), 3, 2, ["mine"])
    assert command[3:] == [
        *("sweep", "--run-dir", "runs/a", "--member", "3", "--jobs", "2"),
        *("--parent", str(os.getpid()), "--import", "mine"),
    ]
