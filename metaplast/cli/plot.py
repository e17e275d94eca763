"""metaplast plot: the meta-training curves of several runs."""

from pathlib import Path

import click

from metaplast.cli._paths import Given


@click.command("plot")
@click.argument("run_dirs", nargs=-1, required=True, type=Given())
@click.option("--metric", default="loss", show_default=True, help="A number of metrics.jsonl.")
@click.option("--row", default="discovered", show_default=True, help="The row of the table.")
@click.option(
    "--out", type=Given(), default="curves.png", show_default=True, help="File of the picture."
)
def command(run_dirs: tuple[Path, ...], metric: str, row: str, out: Path) -> None:
    """Draw a metric of runs against the outer step.

    RUN_DIRS are runs that are finished or still in training. The path of the picture is printed.
    """
    from metaplast.registry import BadInput
    from metaplast.training.plot import plot

    is_picture = out.suffix.lower() in (".png", ".pdf", ".svg")
    if not is_picture or out.is_dir() or not out.absolute().parent.is_dir():
        raise BadInput(
            f"--out {out}", "a .png, .pdf or .svg file in an existing folder", "choose another path"
        )
    click.echo(plot(run_dirs, metric, row, out))
