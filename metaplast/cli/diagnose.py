"""metaplast diagnose: measurements of the gradient of a problem, and the outer loop to use."""

import json
from pathlib import Path

import click

from metaplast.cli import _options
from metaplast.cli._complete import Word


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
@_options.config_dir
@_options.modules
def command(
    words: tuple[str, ...],
    lives: int,
    as_json: bool,
    config_dir: Path | None,
    modules: tuple[str, ...],
) -> None:
    """Measure the gradient of a problem, and advise an outer loop.

    It measures gradients, chaos, lives that blow up, memory and time. Nothing is trained or
    written. It takes about as long as the compilation of three outer steps.

    WORDS name a problem: experiment=NAME, group=NAME, a.b=value, as in train. RUN_DIR names a
    finished run, which is measured at its first and at its final theta.

    Example: metaplast diagnose experiment=oja
    """
    from metaplast.runs import start_up

    start_up.prepare(modules)
    from metaplast.diagnosis import diagnose
    from metaplast.runs.config import Sources

    report = diagnose.diagnose(words, Sources(config_dir), lives)
    if as_json:
        click.echo(json.dumps(diagnose.plain(report), allow_nan=False))
    else:
        click.echo(diagnose.render(report))
