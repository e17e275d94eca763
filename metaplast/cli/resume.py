"""metaplast resume: go on with a run that was stopped."""

from pathlib import Path

import click

from metaplast.cli._paths import Given


@click.command("resume")
@click.argument("run_dir", type=Given())
@click.option(
    "--import", "modules", multiple=True, metavar="MODULE", help="Import your own plug-ins first."
)
@click.option(
    "--jobs",
    type=click.IntRange(1),
    help="Rows trained at the same time (default: 2 where there are two cores and the memory for it).",
)
@click.option("--quiet", is_flag=True, help="No progress bars.")
def command(run_dir: Path, modules: tuple[str, ...], jobs: int | None, quiet: bool) -> None:
    """Go on from the newest checkpoints; the result has the same bits as an uninterrupted run."""
    from metaplast.cli import _progress, _setup
    from metaplast.runs import folder

    folder.check_idle(run_dir)  # at once, before JAX is imported
    _setup.prepare(modules)
    from metaplast.comparing import run as compare_loops
    from metaplast.fitting import run as fit
    from metaplast.fitting import terminal
    from metaplast.training import group, run

    if fit.is_fit(run_dir):
        with _progress.progress(quiet, _progress.STARTS) as show:
            finished, render = fit.resume(run_dir, show), terminal.render
    elif compare_loops.is_comparison(run_dir):
        with _progress.progress(quiet, _progress.TRAININGS) as show:
            finished, render = compare_loops.resume(run_dir, show), compare_loops.render
    else:
        with _progress.progress(quiet, _progress.STEPS) as show:
            finished, render = run.resume(run_dir, jobs, show, modules, show.say), group.told
    click.echo(render(finished))
    if render is group.told:
        group.demand_whole(finished)
