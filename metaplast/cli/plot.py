"""metaplast plot: the course of the search, or learning within a life, of several runs."""

from pathlib import Path

import click

from metaplast.cli import _options
from metaplast.cli._paths import Given


@click.command("plot")
@click.argument("run_dirs", nargs=-1, required=True, type=Given())
@click.option(
    "--what",
    type=click.Choice(["search", "curves"]),
    default="search",
    show_default=True,
    help="search: a number of one row over the outer steps of the search. curves: the learning "
    "curves within a life, of all rows, on held-out lives.",
)
@click.option(
    "--metric",
    help="search: a number of metrics.jsonl (default: loss). curves: a metric of the task "
    "(default: accuracy where it has one, else loss).",
)
@click.option("--row", help="search: the row of the table (default: discovered).")
@click.option(
    "--out", type=Given(), default="curves.png", show_default=True, help="File of the picture."
)
@_options.modules
def command(
    run_dirs: tuple[Path, ...],
    what: str,
    metric: str | None,
    row: str | None,
    out: Path,
    modules: tuple[str, ...],
) -> None:
    """Draw the search of runs: a number of one row, such as its loss, over the outer steps.

    RUN_DIRS are runs or groups that are finished or still in training. The learning curves within a
    life are drawn by --what curves, of finished runs that differ in their seed. The path of the
    picture is printed.

    Example: metaplast plot runs/a --what curves --out runs/a.png
    """
    from metaplast.registry import BadInput
    from metaplast.runs import start_up

    is_picture = out.suffix.lower() in (".png", ".pdf", ".svg")
    if not is_picture or out.is_dir() or not out.absolute().parent.is_dir():
        raise BadInput(
            f"--out {out}", "a .png, .pdf or .svg file in an existing folder", "choose another path"
        )
    start_up.prepare(modules)
    if what == "search":
        from metaplast.settings.names import DISCOVERED
        from metaplast.training.plot import plot

        click.echo(plot(run_dirs, metric or "loss", row or DISCOVERED, out))
        return
    if row is not None:
        raise BadInput("--row with --what curves", "all rows in one picture", "leave it out")
    from metaplast.api.plots import Plots
    from metaplast.figures.style import save
    from metaplast.training.group import in_runs

    save(Plots(run_dirs[0], lambda: in_runs(run_dirs)).curves(metric), out)
    click.echo(out)
