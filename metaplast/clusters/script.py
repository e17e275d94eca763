"""The two batch scripts of a run or a sweep: its job, and the short job after it."""

import shlex
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

from metaplast.clusters.resources import WARNING_S, Resources

JOB = "job.sbatch"
AFTER = "after.sbatch"
INDEX = "$SLURM_ARRAY_TASK_ID"
AFTER_MINUTES = 30
"""Time limit of the job after a run. It takes seconds, and the table of a sweep."""


class Commands(NamedTuple):
    """The words of commands of `metaplast`.

    begin: begins a run, or a member of a sweep.
    go_on: goes on with it.
    gather: writes the table of a sweep whose members are all done.
    compare: prints the table of a sweep with members that are not; both are () for one run.
    """

    begin: Sequence[str]
    go_on: Sequence[str]
    gather: Sequence[str] = ()
    compare: Sequence[str] = ()


class Launch(NamedTuple):
    """A run or a sweep that goes to a cluster.

    run: its folder, as an absolute path.
    resources: what the job of a run asks for.
    commands: that the jobs carry out.
    members: the names of the members of a sweep, a job each; () for one run.
    at_once: jobs of a sweep at the same time; None: no limit.
    setup: lines of the shell before the program, such as `module load cuda`.
    command: the command that launches it, for the head of the script.
    folder: the folder in which the jobs run.
    """

    run: Path
    resources: Resources
    commands: Commands
    members: Sequence[str]
    at_once: int | None
    setup: Sequence[str]
    command: str
    folder: Path

    @property
    def side(self) -> Path:
        """The folder beside the run, for scripts, logs, and how each job ended."""
        return side_of(self.run)

    @property
    def name(self) -> str:
        """The name of all its jobs."""
        return f"metaplast-{self.run.name}"


def side_of(run: Path) -> Path:
    """The folder for scripts and logs beside the folder of a run."""
    return run.with_name(f"{run.name}.slurm")


def scripts(launch: Launch) -> dict[str, str]:
    """{name of the file: text} of both scripts."""
    return {JOB: _job(launch), AFTER: _after(launch)}


def _job(launch: Launch) -> str:
    """The script of the job that trains."""
    options = [
        f"job-name={launch.name}",
        f"output={launch.side}/{'%A_%a' if launch.members else '%j'}.out",
        "open-mode=append",
        # With `B:` the shell alone gets the signal, also where no `srun` starts the program.
        f"signal=B:USR1@{WARNING_S}",
        "requeue",
        *launch.resources.options(),
    ]
    if launch.members:
        options.append(f"array=0-{len(launch.members) - 1}{_throttle(launch)}")
        # SLURM_JOB_ID of a task may be the number of the whole array.
        number = f"${{SLURM_ARRAY_JOB_ID}}_{INDEX}"
        name = f"${{names[{INDEX}]}}"
    else:
        number = "$SLURM_JOB_ID"
        name = "${names[0]}"
    lines = [
        *_head(launch, options),
        f"job={number}",
        f"name={name}",
        "run=$base/$name",
        f"begin=({_words(launch, launch.commands.begin)})",
        f"go_on=({_words(launch, launch.commands.go_on)})",
    ]
    return _text(lines, "count.sh", "job.sh")


def _after(launch: Launch) -> str:
    """The script of the job that waits for the job that trains, and decides what follows."""
    options = [
        f"job-name={launch.name}",
        f"output={launch.side}/after.out",
        "open-mode=append",
        "requeue",
        f"time={AFTER_MINUTES}",
        *launch.resources.shared_options(),
    ]
    lines = [
        *_head(launch, options),
        "# It starts when the job has ended, however it ended. What is not finished goes to SLURM",
        "# once more. What cannot go on is named in not_done.txt.",
    ]
    if launch.members:
        lines += [
            f'submit() {{ sbatch --parsable --array="$1{_throttle(launch)}" "$side/{JOB}"; }}',
            'job_of() { echo "${id}_$1"; }',
            "conclude() {",
            "    if [ ${#named[@]} -eq 0 ]; then",
            f"        {_command(launch.commands.gather)}",
            "    else",
            f"        {_command(launch.commands.compare)}",
            "    fi",
            "}",
        ]
    else:
        lines += [
            f'submit() {{ sbatch --parsable "$side/{JOB}"; }}',
            'job_of() { echo "$id"; }',
            "conclude() { true; }",
        ]
    return _text(lines, "count.sh", "after.sh")


def _head(launch: Launch, options: Sequence[str]) -> list[str]:
    """The lines up to the names that both scripts have."""
    names = launch.members or [launch.run.name]
    base = launch.run if launch.members else launch.run.parent
    return [
        "#!/bin/bash",
        *(f"#SBATCH --{option}" for option in options),
        f"# Made by: {' '.join(launch.command.split())}",
        f"# Stop all of its jobs: scancel --name={launch.name}",
        f"# Submit what is not finished: bash {launch.side}/{AFTER}",
        "",
        f"cd {_quoted(launch.folder)} || exit",
        *launch.setup,
        "",
        f"side={_quoted(launch.side)}",
        f"base={_quoted(base)}",
        f"names=({shlex.join(names)})",
    ]


def _words(launch: Launch, words: Sequence[str]) -> str:
    """The words of a command. `srun` starts a process for every task of the job."""
    start = []
    if launch.resources.n_tasks > 1:
        start = ["srun", "--kill-on-bad-exit=1"]
        if launch.resources.cpus is not None:
            # `srun` does not take it from the job since SLURM 22.05.
            start.append(f"--cpus-per-task={launch.resources.cpus}")
    return " ".join([*start, _command(words)])


def _command(words: Sequence[str]) -> str:
    """A command of `metaplast` as a line of the shell."""
    quoted = ["metaplast"]
    for word in words:
        quoted.append(f'"{word}"' if word == INDEX else shlex.quote(word))
    return " ".join(quoted)


def _throttle(launch: Launch) -> str:
    return "" if launch.at_once is None else f"%{launch.at_once}"


def _quoted(path: Path) -> str:
    return shlex.quote(str(path))


def _text(lines: Sequence[str], *parts: str) -> str:
    """The lines and the files of this folder, one after the other."""
    texts = ["\n".join(lines) + "\n"]
    for part in parts:
        texts.append((files("metaplast.clusters") / part).read_text())
    return "\n".join(texts)
