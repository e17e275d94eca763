"""Begin or resume a run, show its progress, and print its result."""

import shlex
from pathlib import Path
from typing import Any

import click

from metaplast.api import progress
from metaplast.runs import lifecycle
from metaplast.runs.lifecycle import Means, Request, RunKind


def start(
    kind: RunKind[Any],
    request: Request,
    run_dir: Path | None,
    *,
    jobs: int | None = None,
    modules: tuple[str, ...] = (),
    as_json: bool = False,
    quiet: bool = False,
) -> None:
    """Begin a run, carry it out and print its result.

    Args:
        kind: the kind of run.
        request: the config and the options.
        run_dir: the folder; None: a new one.
        jobs: rows at a time; None: two where there are two cores and memory for two, else one.
        modules: plug-ins that workers import.
        as_json: whether the result is printed as JSON.
        quiet: whether no progress is shown.
    """
    with progress.shown(quiet or as_json, kind.counted) as show:
        means = Means(show, show.say, jobs, modules, command=_command())
        run = lifecycle.start(kind, request, run_dir, means)
    click.echo(kind.render(run, as_json))
    kind.demand_whole(run)


def lay_out(
    kind: RunKind[Any], request: Request, run_dir: Path | None, *, modules: tuple[str, ...] = ()
) -> Path:
    """Make the folder of a run that begins later. The arguments are as in `start`."""
    means = Means(modules=modules, command=_command())
    return lifecycle.lay_out(kind, request, run_dir, means)


def begin_or_resume(
    kind: RunKind[Any],
    request: Request,
    run: Path,
    *,
    command: str,
    jobs: int | None = None,
    modules: tuple[str, ...] = (),
    quiet: bool = False,
) -> None:
    """Go on with a run, whose folder is made where it is not there, and print its result.

    Args:
        kind: the kind of run.
        request: the config and the options of a new run.
        run: its folder.
        command: the command that makes the same run.
        jobs: see `start`.
        modules: see `start`.
        quiet: see `start`.
    """
    with lifecycle.opened(kind, request, run, Means(modules=modules, command=command)):
        pass  # its files are written
    resume(run, jobs=jobs, modules=modules, quiet=quiet)


def _command() -> str:
    """The command of this process, as it was given; "" where none is known."""
    words = click.get_current_context().obj
    if words is None:
        return ""
    return shlex.join(["metaplast", *words])


def resume(
    run_dir: Path, *, jobs: int | None = None, modules: tuple[str, ...] = (), quiet: bool = False
) -> None:
    """Go on with a run of any kind and print its result. The arguments are as in `start`.

    Raises: BadInput where `jobs` is given and the kind does one row after the other.
    """
    kind = lifecycle.kind_of(run_dir)
    lifecycle.check_jobs(kind, jobs, "--jobs")
    with progress.shown(quiet, kind.counted) as show:
        lifecycle.resume(run_dir, Means(show, show.say, jobs, modules))
    click.echo(kind.render(run_dir))
    kind.demand_whole(run_dir)
