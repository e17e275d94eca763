"""What the verbs that make runs share: carry out a run, show its progress, print its result."""

from pathlib import Path
from typing import Any

import click

from metaplast.cli import _progress
from metaplast.runs import lifecycle
from metaplast.runs.lifecycle import Kind, Means, Request


def start(
    kind: Kind[Any],
    request: Request,
    run_dir: Path | None,
    *,
    jobs: int | None = None,
    modules: tuple[str, ...] = (),
    as_json: bool = False,
    quiet: bool = False,
) -> None:
    """Begin a run, carry it out and print its result."""
    with _progress.progress(quiet or as_json, kind.counted) as show:
        made = lifecycle.start(kind, request, run_dir, Means(show, show.say, jobs, modules))
    click.echo(kind.render(made, as_json))
    kind.demand_whole(made)


def resume(
    run_dir: Path, *, jobs: int | None = None, modules: tuple[str, ...] = (), quiet: bool = False
) -> None:
    """Go on with a run of any kind and print its result."""
    kind = lifecycle.kind_of(run_dir)
    with _progress.progress(quiet, kind.counted) as show:
        lifecycle.resume(run_dir, Means(show, show.say, jobs, modules))
    click.echo(kind.render(run_dir))
    kind.demand_whole(run_dir)
