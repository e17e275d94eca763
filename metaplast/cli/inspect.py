"""metaplast inspect: one page on finished runs, or on a rule file."""

from pathlib import Path

import click

from metaplast.cli import _options
from metaplast.cli._paths import Given


@click.command("inspect")
@click.argument("run_dirs", nargs=-1, required=True, type=Given())
@click.option(
    "--out",
    type=Given(),
    help="Folder for report.html, inspect.json and figures/. The default is the folder of the run; "
    "for several runs inspect-<experiment>-<seeds> beside the first; for a rule file "
    "<name>_inspect beside it.",
)
@click.option(
    "--lives",
    type=click.IntRange(2, 1_000_000),
    default=128,
    show_default=True,
    help="Held-out lives per run behind the curves.",
)
@_options.modules
@_options.quiet
def command(
    run_dirs: tuple[Path, ...], out: Path | None, lives: int, modules: tuple[str, ...], quiet: bool
) -> None:
    """Write a page on finished runs or on a rule file.

    RUN_DIRS is a finished run, several runs that differ in their seed, or one rule file. The page
    shows scores, learning curves within a life, coefficients, their path over meta-training, and
    the change of weight over two signals. It needs no other file. It replaces the files of an
    earlier page in its folder. The paths of all files are printed.
    """
    from metaplast.cli import _progress, _setup

    _setup.prepare(modules)
    from metaplast.registry import BadInput
    from metaplast.report import rule as rule_report
    from metaplast.runs import folder
    from metaplast.training import page

    if out is not None and out.exists() and not out.is_dir():
        raise BadInput(f"--out {out}", "a folder", "choose another path")
    with folder.naming_errors(out or run_dirs[0]):
        if len(run_dirs) == 1 and run_dirs[0].is_file():
            written = rule_report.inspect_rule(run_dirs[0], out)
        else:
            with _progress.progress(quiet, _progress.ROWS) as show:
                written = page.inspect_runs(run_dirs, out, lives, show)
    for path in written:
        click.echo(path)
