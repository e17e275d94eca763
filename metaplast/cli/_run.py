"""Begin or resume a run, show its progress, and print its result."""

import shlex
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from metaplast.api import progress
from metaplast.registry import BadInput
from metaplast.runs import lifecycle
from metaplast.runs.lifecycle import Means, Request, RunKind
from metaplast.runs.processes import WORD, Meeting, ProcessLost
from metaplast.runs.stopping import Interrupted
from metaplast.runs.workers import Joined, joined


def start(
    kind: RunKind[Any],
    request: Request,
    run_dir: Path | None,
    *,
    jobs: int | None = None,
    modules: tuple[str, ...] = (),
    as_json: bool = False,
    quiet: bool = False,
    meeting: Meeting | None = None,
) -> None:
    """Begin a run, carry it out and print its result.

    Of several processes of a job, the first one does this. The others work in a folder of their
    own, and print nothing.

    Args:
        kind: the kind of run.
        request: the config and the options.
        run_dir: the folder; None: a new one.
        jobs: rows at a time; None: two where there are two cores and memory for two, else one.
        modules: plug-ins that workers import.
        as_json: whether the result is printed as JSON.
        quiet: whether no progress is shown.
        meeting: the place where the processes of a job meet; None: there is one process.
    """
    with _joined(meeting, modules) as worker:
        if worker is not None and not worker.place.is_first:
            with _own_folder() as own:
                lifecycle.start(kind, request, own, Means(modules=modules, joined=worker))
            return
        with progress.shown(quiet or as_json, kind.counted) as show:
            means = Means(show, show.say, jobs, modules, command=_command(), joined=worker)
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


def resume(
    run_dir: Path,
    *,
    jobs: int | None = None,
    modules: tuple[str, ...] = (),
    quiet: bool = False,
    meeting: Meeting | None = None,
) -> None:
    """Go on with a run of any kind and print its result. The arguments are as in `start`.

    Raises: BadInput where `jobs` is given and the kind does one row after the other.
    """
    kind = lifecycle.kind_of(run_dir)
    lifecycle.check_jobs(kind, jobs, "--jobs")
    if meeting is not None and not kind.rows_at_a_time:
        raise BadInput(f"{WORD} with {kind.noun}", "this word with training runs", "leave it out")
    with _joined(meeting, modules) as worker:
        if worker is not None and not worker.place.is_first:
            with _own_folder() as own:
                # The first process may go on already, whose short-lived files begin with a dot.
                shutil.copytree(run_dir, own, ignore=shutil.ignore_patterns(".*"))
                lifecycle.resume(own, Means(modules=modules, joined=worker))
            return
        with progress.shown(quiet, kind.counted) as show:
            lifecycle.resume(run_dir, Means(show, show.say, jobs, modules, joined=worker))
    click.echo(kind.render(run_dir))
    kind.demand_whole(run_dir)


@contextmanager
def _joined(meeting: Meeting | None, modules: tuple[str, ...]) -> Iterator[Joined | None]:
    """The worker that joins the other processes of a job; None where there are none."""
    if meeting is None:
        yield None
        return
    with joined(meeting, modules) as worker:
        yield worker


@contextmanager
def _own_folder() -> Iterator[Path]:
    """A run folder that is deleted after the block. A signal ends the process without a word."""
    with tempfile.TemporaryDirectory(prefix="metaplast-process-") as scratch:
        own = Path(scratch) / "run"
        try:
            yield own
        except Interrupted as end:
            sys.exit(end.code)
        except ProcessLost:
            raise ProcessLost(
                "another process of this job was lost - expected all of them to go on - start all "
                "of them again, as the first one says"
            ) from None
        except RuntimeError as error:
            # Nobody finds that folder.
            error.args = tuple(str(each).replace(str(own), "this run") for each in error.args)
            raise


def _command() -> str:
    """The command of this process, as it was given; "" where none is known."""
    words = click.get_current_context().obj
    if words is None:
        return ""
    return shlex.join(["metaplast", *words])
