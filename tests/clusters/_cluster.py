"""A run or a sweep on a small SLURM, with a program that trains nothing."""

import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from metaplast.clusters import commands, submit
from metaplast.clusters.resources import Resources
from metaplast.clusters.script import Launch
from tests.clusters import _metaplast
from tests.clusters._slurm import COMMANDS, Job, Scheduler

HERE = Path(__file__).parent
NOTHING = Resources()
"""A job that asks for nothing."""
Happening = Callable[[int, int], tuple[str, int] | None]


class Cluster:
    """The commands of a small SLURM on PATH.

    folder: of its state.
    bin: of its commands.
    """

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch, may_requeue: bool = True) -> None:
        self.folder = folder / "slurm"
        self.bin = folder / "bin"
        self.folder.mkdir()
        self.bin.mkdir()
        policy = {"requeue": may_requeue, "partitions": ["short"]}
        (self.folder / "policy.json").write_text(json.dumps(policy))
        for name in COMMANDS:
            self.put(name, f"{HERE / '_slurm.py'} {name}")
        patch.setenv("PATH", f"{self.bin}:{os.environ['PATH']}")
        patch.setenv("FAKE_SLURM", str(self.folder))

    def put(self, name: str, script: str) -> None:
        """Put a program on PATH."""
        program = self.bin / name
        program.write_text(f'#!/bin/sh\nexec {sys.executable} -I -S {script} "$@"\n')
        program.chmod(0o755)

    def fates(self, fates: dict[str, dict[str, Any]]) -> None:
        """What becomes of runs, see `_metaplast`."""
        (self.folder / _metaplast.FATE).write_text(json.dumps(fates))


class Ended(NamedTuple):
    """What is left when no job is left.

    jobs: all jobs by their numbers.
    events: (task, kind) of what happened.
    side: the folder beside the run.
    """

    jobs: dict[int, Job]
    events: list[tuple[int, str]]
    side: Path

    def named(self) -> list[str]:
        """The lines on what did not end well."""
        file = self.side / "not_done.txt"
        return file.read_text().splitlines() if file.exists() else []

    def lives(self) -> int:
        """How often a job began that trains."""
        n_lives = 0
        for job in self.jobs.values():
            if "signal" in job["options"]:
                n_lives += 1 + job["restarts"]
        return n_lives


def carry_out(
    cluster: Cluster,
    run: Path,
    happening: Happening = lambda index, life: None,
    *,
    resources: Resources = NOTHING,
    members: Sequence[str] = (),
) -> Ended:
    """Launch a run, or a sweep with these members, and wait until no job is left."""
    launch = prepare(cluster, run, resources, members)
    submit.check_job(launch)
    submit.submit(launch)
    return wait(cluster, launch, happening)


def prepare(
    cluster: Cluster, run: Path, resources: Resources = NOTHING, members: Sequence[str] = ()
) -> Launch:
    """Write the scripts of a run, or of a sweep with these members."""
    cluster.put("metaplast", str(HERE / "_metaplast.py"))
    launch = launch_of(run, resources, members, cluster.bin)
    if members:
        run.mkdir()
        sweep = {"members": [{"name": name} for name in members]}
        (run / "sweep.json").write_text(json.dumps(sweep))
    submit.write(launch)
    return launch


def wait(
    cluster: Cluster, launch: Launch, happening: Happening = lambda index, life: None
) -> Ended:
    """Wait until no job is left."""
    folders = [launch.run / name for name in launch.members] or [launch.run]
    scheduler = Scheduler(cluster.folder, dict(os.environ), happening)
    jobs = scheduler.run(lambda index: n_steps(folders[index]))
    return Ended(jobs, scheduler.events, launch.side)


def n_steps(run: Path) -> int:
    """The finished steps of a run."""
    log = run / "metrics.jsonl"
    return log.read_text().count("\n") if log.exists() else 0


def launch_of(run: Path, resources: Resources, members: Sequence[str], programs: Path) -> Launch:
    """A launch of `experiment=oja`, or of a sweep, whose programs lie in a folder."""
    given = commands.Given()
    if members:
        words = commands.of_sweep(run, given)
    else:
        words = commands.of_run(["experiment=oja"], run, given, resources.n_tasks)
    setup = (f"export PATH={programs}:$PATH",)
    return Launch(run, resources, words, members, None, setup, "metaplast", run.parent)
