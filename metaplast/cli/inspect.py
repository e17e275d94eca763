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
    "<name>_inspect beside it.",
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

    Give a finished run, several runs that differ in their seed, or one rule file. A rule file needs
    a task for the parts that live lives: words of a config such as experiment=oja. The page says
    first what the rule does, how sure that is, and what to do next. It is one file. It replaces the
    files of an earlier page in its folder. The paths of all files are printed.
    """
    from metaplast.api import progress
    from metaplast.runs import start_up

    start_up.prepare(modules)
    from metaplast.registry import BadInput
    from metaplast.report import rule as rule_report
    from metaplast.runs import folder
    from metaplast.training import inspected, page

    words = tuple(word for word in arguments if "=" in word and not Path(word).exists())
    run_dirs = tuple(Path(word) for word in arguments if word not in words)
    if not run_dirs:
        raise BadInput(" ".join(words), "RUN_DIR or RULE", "name a finished run or a rule file")
    how_much = inspected.Effort[(effort or "usual").upper()]
    if out is not None and out.exists() and not out.is_dir():
        raise BadInput(f"--out {out}", "a folder", "choose another path")
    if words and not run_dirs[0].is_file():
        raise BadInput(
            " ".join(words), "a rule file before words", "judge runs with `metaplast eval`"
        )
    naming = folder.naming_errors(out or run_dirs[0])
    with naming, progress.shown(quiet, progress.PARTS) as show:
        if len(run_dirs) == 1 and run_dirs[0].is_file():
            target = rule_report.folder_of(run_dirs[0], out)
            parts = inspected.of_rule_file(run_dirs[0], words, how_much, target, show)
            written = rule_report.inspect_rule(run_dirs[0], out, parts)
        else:
            written = page.inspect_runs(run_dirs, out, lives, show, how_much)
    for path in written:
        click.echo(path)
