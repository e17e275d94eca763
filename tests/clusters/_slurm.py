"""A small SLURM: its commands, and the scheduler behind them, with a folder as their state.

The folder FAKE_SLURM holds jobs/NUMBER.json for every job. `python -I -S _slurm.py sbatch ...` is a
command; `Scheduler` starts the jobs, and lets happen what happens to jobs.
"""

import fcntl
import json
import os
import shlex
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

Job = dict[str, Any]
OPTIONS = (
    *("account", "array", "begin", "cpus-per-task", "dependency", "gpus-per-node", "job-name"),
    *("mem", "nodes", "ntasks-per-node", "open-mode", "output", "partition", "qos", "requeue"),
    *("signal", "time", "parsable", "test-only"),
)
"""The options of sbatch that this one knows."""
ALIVE = ("PENDING", "RUNNING")


class Refused(Exception):
    """A command that does not do what it was asked to do."""


def state() -> Path:
    """The folder of the state."""
    return Path(os.environ["FAKE_SLURM"])


@contextmanager
def jobs(folder: Path) -> Iterator[dict[int, Job]]:
    """All jobs by their numbers. What the block changes is kept."""
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        file = folder / "jobs.json"
        known = json.loads(file.read_text()) if file.exists() else {}
        by_number = {int(number): job for number, job in known.items()}
        yield by_number
        file.write_text(json.dumps(by_number))


def options_of(words: list[str]) -> tuple[dict[str, str], list[str]]:
    """({option: value}, the other words) of a command. Raises: Refused for an unknown option."""
    options = {}
    rest = []
    for word in words:
        if not word.startswith("--"):
            rest.append(word)
            continue
        name, _, value = word[2:].partition("=")
        if name not in OPTIONS:
            raise Refused(f"sbatch: unrecognized option '{word}'")
        options[name] = value
    return options, rest


def sbatch(words: list[str]) -> str:
    given, files = options_of(words)
    text = Path(files[0]).read_text() if files else sys.stdin.read()
    options = {}
    for line in text.splitlines():
        if line.startswith("#SBATCH"):
            options.update(options_of(shlex.split(line)[1:])[0])
        elif line and not line.startswith("#"):
            break
    options.update(given)
    policy = json.loads((state() / "policy.json").read_text())
    if options.get("partition") not in (None, *policy["partitions"]):
        raise Refused(f"sbatch: error: invalid partition specified: {options['partition']}")
    if "test-only" in options:
        return ""
    tasks: list[int | None] = [None]
    if "array" in options:
        tasks = [*indices(options["array"].partition("%")[0])]
    with jobs(state()) as known:
        base = max(known, default=0) + 1
        (state() / f"{base}.sh").write_text(text)
        for place, task in enumerate(tasks):
            # As in SLURM, the last task has the number of the whole array.
            number = base + (place + 1) % len(tasks)
            known[number] = {
                "options": options,
                "array": base if task is not None else None,
                "task": task,
                "script": f"{base}.sh",
                "state": "PENDING",
                "restarts": 0,
                "requeue": False,
            }
    return str(base)


def indices(text: str) -> Iterator[int]:
    """The tasks of an array: `0-3`, `1,4`."""
    for part in text.split(","):
        first, _, last = part.partition("-")
        yield from range(int(first), int(last or first) + 1)


def named(known: dict[int, Job], name: str) -> list[Job]:
    """The jobs of `12` (a job, or all tasks of an array) or `12_3` (a task)."""
    base, _, task = name.partition("_")
    found = []
    for number, job in known.items():
        of_array = job["array"] == int(base) and task in ("", str(job["task"]))
        if of_array or (job["array"] is None and number == int(base)):
            found.append(job)
    if not found:
        raise Refused("Invalid job id specified")
    return found


def scontrol(words: list[str]) -> str:
    words = [word for word in words if word != "--oneliner"]
    with jobs(state()) as known:
        if words[0] == "show":
            return "\n".join(
                f"JobState={job['state']} Reason=None" for job in named(known, words[2])
            )
        policy = json.loads((state() / "policy.json").read_text())
        for job in named(known, words[1]):
            if not policy["requeue"] or "requeue" not in job["options"]:
                raise Refused("Requested operation is presently disabled")
            job["requeue"] = True
    return ""


def squeue(words: list[str]) -> str:
    name = next(word for word in words if word.startswith("--jobs=")).partition("=")[2]
    with jobs(state()) as known:
        return "\n".join(job["state"] for job in named(known, name) if job["state"] in ALIVE)


def sacct(words: list[str]) -> str:
    raise Refused("Slurm accounting storage is disabled")


def srun(words: list[str]) -> str:
    """Start every task of the job; hand signals on; end with the largest exit code."""
    import subprocess

    command = words
    while command[0].startswith("--"):
        command = command[1:]
    n_tasks = int(os.environ["SLURM_NTASKS"])
    tasks: list[Any] = []
    heard: list[int] = []

    def hand_on(number: int, _: Any) -> None:
        heard.append(number)
        for task in tasks:
            if task.poll() is None:
                task.send_signal(number)

    for number in (signal.SIGTERM, signal.SIGUSR1):
        signal.signal(number, hand_on)
    for rank in range(n_tasks):
        environment = {**os.environ, "SLURM_PROCID": str(rank)}
        # A session of its own, as on another node.
        tasks.append(subprocess.Popen(command, env=environment, start_new_session=True))
    for number in list(heard):
        hand_on(number, None)  # to those that started after it
    (state() / f"tasks-{os.environ['SLURM_JOB_ID']}").write_text(
        " ".join(str(task.pid) for task in tasks)
    )
    while any(task.poll() is None for task in tasks):
        if "--kill-on-bad-exit=1" in words and any(task.poll() for task in tasks):
            hand_on(signal.SIGTERM, None)
        time.sleep(0.02)
    sys.exit(max(code if code >= 0 else 128 - code for code in (task.poll() for task in tasks)))


COMMANDS = {"sbatch": sbatch, "scontrol": scontrol, "squeue": squeue, "sacct": sacct, "srun": srun}


def main() -> int:
    name, *words = sys.argv[1:]
    try:
        out = COMMANDS[name](words)
    except Refused as error:
        print(error, file=sys.stderr)
        return 1
    if out:
        print(out)
    return 0


class Scheduler:
    """Starts jobs, and lets something happen to them.

    folder: of the state.
    environment: of every job.
    happening: gives what happens to a task of a job in its n-th life: (kind, outer steps after its
        start), or None. The kinds: timeout; preempt; cancel (PreemptMode=CANCEL); node (lost, and
        the job is requeued); lost (and the job is not); scancel.
    slots: jobs at the same time.
    grace: outer steps that a run may take after a signal, before all of its processes are killed.
    events: (task, kind) of all that happened.
    """

    def __init__(
        self,
        folder: Path,
        environment: dict[str, str],
        happening: Callable[[int, int], tuple[str, int] | None] = lambda index, life: None,
        slots: int = 4,
        grace: int = 3,
    ) -> None:
        import subprocess

        self.popen = subprocess.Popen
        self.folder = folder
        self.environment = environment
        self.happening = happening
        self.slots = slots
        self.grace = grace
        self.running: dict[int, _Life] = {}
        self.lives: dict[int, int] = {}
        self.events: list[tuple[int, str]] = []

    def run(self, steps_of: Callable[[int], int], timeout_s: float = 600.0) -> dict[int, Job]:
        """Go on until no job is left. Gives all jobs.

        Args:
            steps_of: the outer steps of the run of a task.
            timeout_s: after which the test fails.
        """
        self.steps_of = steps_of
        deadline = time.monotonic() + timeout_s
        while True:
            with jobs(self.folder) as known:
                self._tick(known)
                if not any(job["state"] in ALIVE for job in known.values()):
                    return known
            if time.monotonic() > deadline:
                for life in self.running.values():
                    life.kill(signal.SIGKILL)
                raise TimeoutError(f"jobs are left: {known}")
            time.sleep(0.02)

    def _tick(self, known: dict[int, Job]) -> None:
        for number, job in known.items():
            if job["state"] == "RUNNING":
                self._look_after(number, job)
            elif job["state"] != "PENDING" and job["requeue"]:
                self._pend(job)
        for number, job in known.items():
            is_free = len(self.running) < self.slots
            if job["state"] == "PENDING" and is_free and self._may_start(job, known):
                self._start(number, job)

    def _may_start(self, job: Job, known: dict[int, Job]) -> bool:
        kind, _, name = job["options"].get("dependency", "").partition(":")
        if not kind:
            return True
        assert kind == "afterany", kind
        return all(other["state"] not in ALIVE for other in named(known, name))

    def _start(self, number: int, job: Job) -> None:
        options = job["options"]
        n_tasks = int(options.get("nodes", 1)) * int(options.get("ntasks-per-node", 1))
        environment = {
            **self.environment,
            "SLURM_JOB_ID": str(number),
            "SLURM_NTASKS": str(n_tasks),
        }
        log = options["output"].replace("%j", str(number))
        if job["array"] is not None:
            environment["SLURM_ARRAY_JOB_ID"] = str(job["array"])
            environment["SLURM_ARRAY_TASK_ID"] = str(job["task"])
            log = log.replace("%A", str(job["array"])).replace("%a", str(job["task"]))
        assert options["open-mode"] == "append"
        with open(log, "a") as out:
            process = self.popen(
                ["bash", str(self.folder / job["script"])],
                env=environment,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )
        job["state"] = "RUNNING"
        life = _Life(process, self.folder / f"tasks-{number}")
        if "signal" in options:
            index = job["task"] or 0
            self.lives[index] = self.lives.get(index, -1) + 1
            life.fate = self.happening(index, self.lives[index])
            life.index = index
            life.steps = self.steps_of(index)
        self.running[number] = life

    def _look_after(self, number: int, job: Job) -> None:
        life = self.running[number]
        code = life.process.poll()
        if code is not None:
            life.kill(signal.SIGKILL)  # SLURM leaves no process behind
            del self.running[number]
            job["state"] = life.end or ("COMPLETED" if code == 0 else "FAILED")
            if job["requeue"]:
                self._pend(job)
            return
        if job["requeue"] and not life.end:
            self._end(life, "REQUEUED")
        if life.fate is not None and self.steps_of(life.index) >= life.steps + life.fate[1]:
            self.events.append((life.index, life.fate[0]))
            life.warned_at = self.steps_of(life.index)
            self._let_happen(life, job)
            life.fate = None
        if life.warned and self.steps_of(life.index) >= life.warned_at + self.grace:
            life.end = life.end or "TIMEOUT"
            life.kill(signal.SIGKILL)

    def _let_happen(self, life: "_Life", job: Job) -> None:
        kind = life.fate[0] if life.fate else ""
        if kind == "timeout":
            to_shell = job["options"]["signal"].startswith("B:")
            assert to_shell  # only the shell gets it
            life.process.send_signal(signal.SIGUSR1)
            life.warned = True
        elif kind in ("node", "lost"):
            job["requeue"] = kind == "node" and "requeue" in job["options"]
            life.end = "NODE_FAIL"
            life.kill(signal.SIGKILL)
        elif kind == "preempt":
            job["requeue"] = "requeue" in job["options"]
            self._end(life, "PREEMPTED")
        elif kind == "cancel":
            self._end(life, "PREEMPTED")
        elif kind == "scancel":
            self._end(life, "CANCELLED")
        else:
            raise ValueError(kind)

    def _end(self, life: "_Life", state: str) -> None:
        life.end = state
        life.kill(signal.SIGTERM)
        life.warned = True

    def _pend(self, job: Job) -> None:
        job.update(state="PENDING", requeue=False, restarts=job["restarts"] + 1)


class _Life:
    """One start of a job.

    process: its shell.
    tasks: the file with the processes that srun started.
    index: of its run.
    steps: of its run when it started.
    fate: what will happen.
    end: the state in which it will end; None: that of its exit code.
    warned: whether it was told to end.
    warned_at: the steps of its run at that moment.
    """

    def __init__(self, process: Any, tasks: Path) -> None:
        self.process = process
        self.tasks = tasks
        self.index = 0
        self.steps = 0
        self.fate: tuple[str, int] | None = None
        self.end: str | None = None
        self.warned = False
        self.warned_at = 0

    def kill(self, number: int) -> None:
        """Send a signal to all processes of the job."""
        groups = [self.process.pid]
        if self.tasks.exists():
            groups += map(int, self.tasks.read_text().split())
        for group in groups:
            with suppress(ProcessLookupError):
                os.killpg(group, number)


if __name__ == "__main__":
    sys.exit(main())
