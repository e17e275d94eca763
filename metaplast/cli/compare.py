"""metaplast compare: several seeds, or several worlds, in one table."""

from pathlib import Path

import click


@click.command("compare")
@click.argument("run_dirs", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--row", default="discovered", show_default=True, help="Whose differences to the reference are shown.")
@click.option("--against", multiple=True, metavar="NAME", help="A row that may be the reference (default: see below).")
@click.option("--out", type=click.Path(path_type=Path), help="PNG of fits over the one numeric setting that varies.")
def command(run_dirs: tuple[Path, ...], row: str, against: tuple[str, ...], out: Path | None) -> None:
    """Pool finished runs that differ in their seed: intervals are bootstrapped over runs (splits), then lives.

    Runs of several worlds (other task or network, same rows) are laid side by side: the mean of every row in each, and
    the paired difference to the best reference, by default among the rows that are given the exact gradient. Fits are
    laid side by side too: one line per setting, over its seeds.
    """
    from metaplast.launch import fit_compare, side_by_side
    from metaplast.launch.fit import is_fit

    if is_fit(run_dirs[0]):
        click.echo(fit_compare.compare(run_dirs, row, out))
    else:
        click.echo(side_by_side.compare(run_dirs, row, against))
