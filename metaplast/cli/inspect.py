"""metaplast inspect: one page on finished runs, or on a rule file."""

from pathlib import Path

import click

from metaplast.cli import _options
from metaplast.cli._complete import Word
from metaplast.cli._paths import Given


@click.command("inspect")
@click.argument(
    "arguments", nargs=-1, required=True, type=Word(), metavar="RUN_DIR...|RULE [A.B=VALUE...]"
)
@click.option(
    "--out",
    type=Given(),
    help="Folder for report.html, inspect.json and figures/. The default is the folder of the run; "
    "for several runs inspect-<experiment>-<seeds> beside the first; for a rule file "
    "<name>_inspect beside it, for a rule of the zoo here.",
)
@click.option(
    "--lives",
    type=click.IntRange(2, 1_000_000),
    default=128,
    show_default=True,
    help="Held-out lives per run behind the curves.",
)
@click.option(
    "--quick", "effort", flag_value="quick", help="Leave out the parts that live many lives."
)
@click.option(
    "--thorough",
    "effort",
    flag_value="thorough",
    help="Tune again after a knock-out, search from further starts, refit.",
)
@_options.modules
@_options.quiet
def command(
    arguments: tuple[str, ...],
    out: Path | None,
    lives: int,
    effort: str | None,
    modules: tuple[str, ...],
    quiet: bool,
) -> None:
    """Write a page on finished runs or on a rule file.

    Give a finished run, several runs that differ in their seed, or one rule: the path of a rule
    file, or zoo/NAME. A rule file needs
    a task for the parts that live lives: words of a config such as experiment=oja. The page says
    first what the rule does, how sure that is, and what to do next. It is one file. It replaces the
    files of an earlier page in its folder. The verdict is printed on stderr, but for --quiet, then
    the paths of all files on stdout.
    """
    from metaplast.api import progress
    from metaplast.runs import start_up

    start_up.prepare(modules)
    from metaplast.registry import BadInput
    from metaplast.report.rule import verdict_of
    from metaplast.runs import folder
    from metaplast.training.effort import Effort
    from metaplast.training.inspect_any import inspect

    words = []
    named = []
    for argument in arguments:
        if "=" in argument and not Path(argument).exists():
            words.append(argument)
        else:
            named.append(argument)
    how_much = Effort[(effort or "usual").upper()]
    if out is not None and out.exists() and not out.is_dir():
        raise BadInput(f"--out {out}", "a folder", "choose another path")
    naming = folder.naming_errors(out or Path(arguments[0]))
    with naming, progress.shown(quiet, progress.PARTS) as show:
        written = inspect(named, words, out, lives, how_much, show)
    if not quiet:
        click.echo(verdict_of(written[1]), err=True)
    for path in written:
        click.echo(path)
