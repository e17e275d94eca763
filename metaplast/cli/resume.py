"""metaplast resume: the rest of a run that was stopped."""

from pathlib import Path

import click

from metaplast.cli import _options
from metaplast.cli._paths import Given


@click.command("resume")
@click.argument("run_dir", type=Given())
@click.argument("words", nargs=-1, metavar="[distributed=...]")
@_options.modules
@_options.jobs
@_options.quiet
def command(
    run_dir: Path,
    words: tuple[str, ...],
    modules: tuple[str, ...],
    jobs: int | None,
    quiet: bool,
) -> None:
    """Go on with a run from its newest checkpoints.

    The result has the same bits as the result of an uninterrupted run. With distributed=auto, or as
    in `train`, the processes of a job go on together; another number of them changes last digits.
    """
    from metaplast.registry import BadInput
    from metaplast.runs import folder, processes, start_up

    meeting, others = processes.split(words)
    if others:
        raise BadInput(others[0], "no word but distributed=...", "begin a new run with it")
    if meeting is None:
        folder.check_idle(run_dir)  # before the slow import of JAX
    start_up.prepare(modules)
    from metaplast.cli import _run

    _run.resume(run_dir, jobs=jobs, modules=modules, quiet=quiet, meeting=meeting)
