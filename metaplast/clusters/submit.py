"""Batch scripts go to SLURM."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

from metaplast.clusters.script import AFTER, JOB, Launch, scripts, side_of
from metaplast.registry import BadInput
from metaplast.runs import folder

SBATCH = "sbatch"
NUMBER = "job"
"""The file with the number of the newest job."""
_PATH = re.compile(r"[\w/.,:@+=~-]+")


class Submitted(NamedTuple):
    """The numbers of two jobs.

    job: of the job that trains.
    after: of the job after it.
    """

    job: str
    after: str


def check_sbatch() -> None:
    """Raises: BadInput where the program of SLURM is not there."""
    if shutil.which(SBATCH) is None:
        raise BadInput(
            f"{SBATCH}, not on PATH",
            "a machine of a cluster with SLURM",
            "log in to one, or see the scripts with --dry-run",
        )


def check_place(run: Path) -> None:
    """Check that a run and its scripts can be written.

    Args:
        run: the folder of the run.

    Raises: BadInput, folder.Busy.
    """
    folder.check_free(run)
    if not _PATH.fullmatch(str(run.absolute())):
        raise BadInput(
            f"--run-dir {folder.shown(run.absolute())}",
            "a path of letters, digits and /.,:@+=~-_, which a line of SBATCH can hold",
            "choose another path",
        )
    folder.check_free(side_of(run))


def check_job(launch: Launch) -> None:
    """Ask SLURM whether it would take the job. Raises: BadInput with its answer."""
    _sbatch(["--test-only"], "correct the option", scripts(launch)[JOB])


def write(launch: Launch) -> None:
    """Write both scripts beside the run."""
    launch.side.mkdir(parents=True, exist_ok=True)
    for name, text in scripts(launch).items():
        folder.write_text(launch.side / name, text)


def submit(launch: Launch) -> Submitted:
    """Submit the job, and the job after it, whose scripts are written.

    Raises: BadInput with the answer of SLURM.
    """
    go_on = f"bash {launch.side / AFTER}"
    job = _sbatch(["--parsable", str(launch.side / JOB)], f"submit it later: {go_on}")
    folder.write_text(launch.side / NUMBER, f"{job}\n")
    words = ["--parsable", f"--dependency=afterany:{job}", str(launch.side / AFTER)]
    after = _sbatch(words, f"job {job} goes on without it; when it has ended: {go_on}")
    return Submitted(job, after)


def _sbatch(words: list[str], fix: str, text: str | None = None) -> str:
    """The number of the job that `sbatch` submits.

    Args:
        words: its options, and the script.
        fix: what to do where it refuses.
        text: the script, where it is no file.

    Raises: BadInput with its last words.
    """
    done = subprocess.run([SBATCH, *words], input=text, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        reason = " ".join(done.stderr.split()) or f"sbatch: exit code {done.returncode}"
        raise BadInput(reason, "a job that SLURM takes", fix)
    # Behind the number stands the name of the cluster, where there are several.
    return done.stdout.strip().partition(";")[0]
