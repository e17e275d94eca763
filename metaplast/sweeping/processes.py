"""The members of a sweep, each trained in a process of its own, several at a time."""

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from metaplast.runs import preflight
from metaplast.runs.exit_codes import LOST
from metaplast.runs.folder import row_folder
from metaplast.runs.job import Run, parse
from metaplast.runs.lifecycle import Means
from metaplast.runs.metrics import METRICS, count
from metaplast.settings.names import CONFIG
from metaplast.sweeping.members import Member
from metaplast.sweeping.outcome import MemberOutcome
from metaplast.training import group
from metaplast.training.kind import KIND as TRAINING

PATIENCE = 20.0
"""Seconds that a member has to save its last finished step."""
POLL = 0.5
"""Seconds between two looks at the processes."""
STAGE = "sweep"
_ERROR = "error: "


class _Process(NamedTuple):
    """The process of one member.

    member: the member.
    popen: its process.
    """

    member: Member
    popen: "subprocess.Popen[bytes]"


def work_through(
    path: Path, members: Sequence[Member], jobs: int | None, means: Means
) -> list[MemberOutcome]:
    """Train every member of a sweep that is not finished.

    A member that fails is left aside. A signal ends all members, which save their last finished
    step.

    Args:
        path: the folder of the sweep.
        members: of the sweep.
        jobs: members at a time; None: two where there are two cores and memory for two, else one.
        means: progress, text, plug-ins and signals.

    Returns: the end of every member, in their order.
    Raises: Interrupted.
    """
    share_device()
    ends: dict[str, MemberOutcome] = {}
    left = []
    for member in members:
        if is_finished(path / member.name):
            ends[member.name] = MemberOutcome(member.name, 0)
        else:
            left.append(member)
    if left:
        _Work(path, members, left, jobs or fitting_jobs(left), means, ends).carry_out()
    return [ends[member.name] for member in members]


def share_device() -> None:
    """Let the processes of a sweep share an accelerator: each takes memory as it needs it.

    By default a process takes three quarters of the memory when it first uses the device, and this
    process uses it for its checks. It must be called before that.
    """
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")


def is_finished(path: Path) -> bool:
    """Whether the member in a folder is finished. A folder that is not there is not."""
    return (path / CONFIG).is_file() and TRAINING.finished(path)


def fitting_jobs(members: Sequence[Member]) -> int:
    """The number of members at a time where the user does not say, as for the rows of a run."""
    fitting = preflight.MOST_JOBS
    for member in members:
        several, plain = group.split(member.config)
        job = parse(plain, check=False)
        fitting = min(fitting, preflight.fitting_jobs(job, len(member.runs), several.lockstep))
        if fitting == 1:
            break
    return min(fitting, len(members))


def command_of(path: Path, index: int, jobs: int, modules: Sequence[str]) -> list[str]:
    """The command that trains one member, and ends with this process.

    Args:
        path: the folder of the sweep.
        index: the place of the member.
        jobs: its rows at a time.
        modules: plug-ins that it imports.
    """
    command = [sys.executable, "-m", "metaplast.cli.main", "sweep"]
    command += ["--run-dir", str(path), "--member", str(index)]
    command += ["--jobs", str(jobs), "--parent", str(os.getpid())]
    for module in modules:
        command += ["--import", module]
    return command


class _Work:
    """The processes of a sweep."""

    def __init__(
        self,
        path: Path,
        members: Sequence[Member],
        left: Sequence[Member],
        jobs: int,
        means: Means,
        ends: dict[str, MemberOutcome],
    ) -> None:
        self.path = path
        self.members = members
        self.waiting = list(left)
        self.jobs = min(jobs, len(left))
        self.rows_at_a_time = max(1, jobs // self.jobs)
        self.means = means
        self.ends = ends
        self.under_way: list[_Process] = []
        self.runs: dict[str, list[Run]] = {}

    def carry_out(self) -> None:
        """Start the members one after the other, and wait for them."""
        stop = self.means.stop
        with stop.saving(self._end):
            try:
                while self.waiting or self.under_way:
                    while self.waiting and len(self.under_way) < self.jobs and not stop.numbers:
                        self.under_way.append(self._started(self.waiting.pop(0)))
                    stop.check()
                    time.sleep(POLL)
                    self._look()
            finally:
                self._end()

    def _started(self, member: Member) -> _Process:
        """Start the process of a member.

        It has a session of its own, so that Ctrl-C reaches this process alone.
        """
        index = self.members.index(member)
        command = command_of(self.path, index, self.rows_at_a_time, self.means.modules)
        with _output(self.path, member).open("wb") as output:
            popen = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        return _Process(member, popen)

    def _look(self) -> None:
        """Take note of the members that ended, and show the progress of all."""
        for process in list(self.under_way):
            code = process.popen.poll()
            if code is not None:
                self.under_way.remove(process)
                self._note(process.member, code)
        done = float(len(self.ends))
        for process in self.under_way:
            done += self._share(process.member)
        whole = not self.under_way and not self.waiting
        self.means.progress(STAGE, len(self.ends) if whole else done, len(self.members))

    def _note(self, member: Member, code: int) -> None:
        """Take note of the end of a member."""
        if code == 0:
            self.ends[member.name] = MemberOutcome(member.name, 0)
            self.means.say(f"{member.name}: done")
            return
        error = _last_error(_output(self.path, member))
        if code < 0:
            error = f"its process was killed by signal {-code}"
            code = LOST
        self.ends[member.name] = MemberOutcome(member.name, code, error)
        self.means.say(f"{member.name}: failed with exit code {code}: {error}")

    def _share(self, member: Member) -> float:
        """The share of a member's outer steps that are done."""
        at = self.path / member.name
        if not (at / CONFIG).is_file():
            return 0.0
        if member.name not in self.runs:
            self.runs[member.name] = group.members(at)
        done = 0
        total = 0
        for run in self.runs[member.name]:
            for name, config in run.job.rows:
                done += count(row_folder(run.folder, name) / METRICS)
                total += config.outer.n_steps
        return done / total

    def _end(self) -> None:
        """End every member after it saved its last finished step.

        A member that takes longer than PATIENCE seconds is killed.
        """
        processes = [process.popen for process in self.under_way]
        for process in processes:
            process.terminate()
        deadline = time.monotonic() + PATIENCE
        for process in processes:
            try:
                process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _output(path: Path, member: Member) -> Path:
    """The file with the words of a member's process."""
    return path / f"{member.name}.txt"


def _last_error(output: Path) -> str:
    """The last line of an error in the words of a process; "" where there is none."""
    lines = output.read_text(errors="replace").splitlines()
    for line in reversed(lines):
        if line.startswith(_ERROR):
            return line.removeprefix(_ERROR)
    return lines[-1] if lines else ""
