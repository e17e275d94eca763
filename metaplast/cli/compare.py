"""metaplast compare: several seeds of one experiment in one table."""

from pathlib import Path

import click


@click.command("compare")
@click.argument("run_dirs", nargs=-1, required=True, type=click.Path(path_type=Path))
def command(run_dirs: tuple[Path, ...]) -> None:
    """Pool finished runs that differ in their seed: intervals are bootstrapped over runs (splits), then lives."""
    from metaplast.launch.summary import pooled

    click.echo(pooled(list(run_dirs)))
