"""Runs in this process, as the command line makes them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from metaplast.comparing.kind import KIND as COMPARING
from metaplast.fitting.kind import plan_of
from metaplast.registry import Plain
from metaplast.runs import lifecycle
from metaplast.runs.job import Job
from metaplast.runs.lifecycle import Means, Request
from metaplast.training.kind import KIND as TRAINING


def nothing(*progress: object) -> None:
    """A progress that shows nothing."""


def start_run(
    plain: Plain, path: Path | None, jobs: int | None = 1, progress: Any = nothing
) -> Path:
    return lifecycle.start(TRAINING, Request(plain), path, Means(progress, jobs=jobs))


def start_comparison(
    plain: Plain, path: Path | None, progress: Any = nothing, only: Sequence[str] = ()
) -> Path:
    return lifecycle.start(COMPARING, Request(plain, {"only": list(only)}), path, Means(progress))


def resume_run(path: Path, jobs: int | None = 1, progress: Any = nothing) -> Path:
    return lifecycle.resume(path, Means(progress, jobs=jobs))


def fit_job(plain: Plain) -> Job:
    return plan_of(Request(plain)).job
