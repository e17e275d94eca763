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
    from metaplast.reuse import shelf
    from metaplast.reuse.card import card
    from metaplast.reuse.known import is_name, rule_path
    from metaplast.reuse.rule_file import read_rule
    from metaplast.reuse.text import printable
    from metaplast.runs import start_up

    start_up.import_plugins(modules)
    if is_name(rule):
        rule = shelf.PREFIX + rule
    rule = str(rule_path(rule))
    file = read_rule(rule)
    if any("account" not in slot for slot in file.document["slots"].values()):
        from metaplast.reuse.ask import whole

        file = whole(file)
    facts = None
    path = rule
    if shelf.is_shelved(rule):
        facts = shelf.shelved(rule)
        path = str(shelf.file_of(rule))
    text = card(file, rule, facts)
    if out is None:
        click.echo(text)
        return
    out.write_text(text, encoding="utf-8")
    written = shlex.quote(printable(str(out)))
    click.echo(f"card     {written}")
    click.echo(f"publish  hf upload USER/NAME {shlex.quote(printable(path))} rule.safetensors")
    click.echo(f"         hf upload USER/NAME {written} README.md")
