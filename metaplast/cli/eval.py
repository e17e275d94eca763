"""metaplast eval: finished runs under a changed task or network."""

from pathlib import Path

import click

from metaplast.cli import _options
from metaplast.cli._complete import Word


@click.command("eval")
@click.argument(
    "arguments", nargs=-1, required=True, type=Word(), metavar="RUN_DIR... [A.B=VALUE...]"
)
@click.option(
    "--lives",
    type=click.IntRange(1, 1_000_000),
    default=1024,
    show_default=True,
    help="Held-out lives per run.",
)
@click.option(
    "--row",
    "rows",
    multiple=True,
    metavar="NAME",
    help="Judge this row beside `discovered` (default: all).",
)
@_options.modules
def command(
    arguments: tuple[str, ...], lives: int, rows: tuple[str, ...], modules: tuple[str, ...]
) -> None:
    """Judge finished runs under a changed task or network.

    A.B=VALUE is a change of the config. Every row keeps its trained numbers: nothing is tuned
    again. The run keeps the scores of a changed world, and `metaplast inspect` shows them.

    Example: metaplast eval runs/a runs/b task.shots=40 network.hidden=[80,80,80]
    """
    from metaplast.runs import start_up

    start_up.prepare(modules)
    from metaplast.training.transfer import judged, keep_all, table_of

    runs = []
    words = []
    for argument in arguments:
        path = Path(argument)
        if "=" not in argument or path.is_dir():
            runs.append(path)
        else:
            words.append(argument)
    found = judged(runs, words, lives, rows)
    click.echo(table_of(found))
    for line in keep_all(found):
        click.echo(line, err=True)
