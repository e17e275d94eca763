"""metaplast eval: finished runs judged in a changed world."""

from pathlib import Path

import click

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
@click.option(
    "--import", "modules", multiple=True, metavar="MODULE", help="Import your own plug-ins first."
)
def command(
    arguments: tuple[str, ...], lives: int, rows: tuple[str, ...], modules: tuple[str, ...]
) -> None:
    """Judge every row of finished runs, as it was trained, where task or network differ; nothing is
    tuned again.

    Example: metaplast eval runs/a runs/b task.shots=40 network.hidden=[80,80,80]
    """
    from metaplast.cli import _setup

    _setup.prepare(modules)
    from metaplast.training.transfer import transfer

    runs = [Path(a) for a in arguments if "=" not in a or Path(a).is_dir()]
    words = [a for a in arguments if "=" in a and not Path(a).is_dir()]
    click.echo(transfer(runs, words, lives, rows))
