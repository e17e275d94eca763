"""metaplast diagnose: can the gradient of a problem be trusted, and which outer loop fits it."""

import json
from pathlib import Path

import click

from metaplast.cli._complete import Word
from metaplast.cli._paths import Given


@click.command("diagnose")
@click.argument("words", nargs=-1, type=Word(), metavar="[RUN_DIR] [WORDS]...")
@click.option(
    "--lives",
    type=click.IntRange(2, 1_000_000),
    default=32,
    show_default=True,
    help="Lives that are measured.",
)
@click.option(
    "--json", "as_json", is_flag=True, help="Print every measurement as JSON instead of the text."
)
@click.option(
    "--config-dir",
    type=Given("folder"),
    help="Your own config groups, looked up before the shipped ones.",
)
@click.option(
    "--import", "modules", multiple=True, metavar="MODULE", help="Import your own plug-ins first."
)
def command(
    words: tuple[str, ...],
    lives: int,
    as_json: bool,
    config_dir: Path | None,
    modules: tuple[str, ...],
) -> None:
    """Measure gradients, chaos, blown lives, memory and time, and advise an outer loop. Nothing is
    trained or written.

    WORDS: experiment=NAME, group=NAME, a.b=value, as in train. RUN_DIR: a finished run, measured at
    its first theta and at the one it found. It takes about as long as the compilation of three
    outer steps.
    Example: metaplast diagnose experiment=oja
    """
    from metaplast.cli import _setup

    _setup.prepare(modules)
    from metaplast.diagnosis import diagnose
    from metaplast.runs.config import Sources

    report = diagnose.diagnose(words, Sources(config_dir), lives)
    click.echo(
        json.dumps(diagnose.plain(report), allow_nan=False) if as_json else diagnose.render(report)
    )
