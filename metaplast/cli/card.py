"""metaplast card: the model card of a rule."""

import shlex
from pathlib import Path

import click

from metaplast.cli import _complete, _options
from metaplast.cli._paths import Given


@click.command("card")
@click.argument("rule", shell_complete=_complete.rules)
@click.option("--out", type=Given(), help="Write the card to this file.")
@_options.modules
def command(rule: str, out: Path | None, modules: tuple[str, ...]) -> None:
    """Print the model card of a rule as Markdown.

    RULE is a rule.safetensors, the folder of a run, or the name of a rule of the zoo such as
    zoo/oja. The card has the fields of a Hugging Face model card. It is computed from the numbers
    in the file. Nothing in the file is run, and nothing is sent anywhere. The command that would
    publish it is printed.

    Example: metaplast card zoo/oja --out README.md
    """
    from metaplast.reuse.card_of import card_of
    from metaplast.reuse.text import printable
    from metaplast.runs import start_up

    start_up.import_plugins(modules)
    found = card_of(rule)
    if out is None:
        click.echo(found.text)
        return
    out.write_text(found.text, encoding="utf-8")
    written = shlex.quote(printable(str(out)))
    click.echo(f"card     {written}")
    click.echo(
        f"publish  hf upload USER/NAME {shlex.quote(printable(found.path))} rule.safetensors"
    )
    click.echo(f"         hf upload USER/NAME {written} README.md")
