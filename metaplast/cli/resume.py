"""metaplast resume: the rest of a run that was stopped."""

from pathlib import Path

import click

from metaplast.cli import _options
from metaplast.cli._paths import Given


@click.command("resume")
@click.argument("run_dir", type=Given())
@_options.modules
@_options.jobs
@_options.quiet
def command(run_dir: Path, modules: tuple[str, ...], jobs: int | None, quiet: bool) -> None:
    """Go on with a run from its newest checkpoints.

    The result has the same bits as the result of an uninterrupted run.
    """
    from metaplast.runs import folder, start_up

    folder.check_idle(run_dir)  # before the slow import of JAX
    start_up.prepare(modules)
    from metaplast.cli import _run

    _run.resume(run_dir, jobs=jobs, modules=modules, quiet=quiet)
