"""metaplast list: the plug-ins of every kind, and the signals of terms."""

from pathlib import Path

import click

from metaplast.cli import _complete, _options
from metaplast.cli._paths import Given


@click.command("list")
@click.argument("kind", required=False, shell_complete=_complete.kinds)
@click.option("--config-dir", type=Given("folder"), help="Your own config groups as well.")
@_options.modules
def command(kind: str | None, config_dir: Path | None, modules: tuple[str, ...]) -> None:
    """Print the plug-ins of a KIND with one line on each.

    KIND is rules, tasks, networks, neurons, ..., `signals` for the signals that a term of a rule
    may read, or `zoo` for the rule files that ship with metaplast. Without KIND, every kind is
    printed with the names of its plug-ins.
    """
    from metaplast.cli._listed import listed
    from metaplast.runs import catalogue, start_up
    from metaplast.runs.config import Sources

    start_up.import_plugins(modules)
    sources = Sources(config_dir)
    if kind is None:
        click.echo(listed(catalogue.rooms(sources)))
        return
    click.echo(listed(catalogue.listed(kind, sources)))
    if kind in (catalogue.SIGNALS, catalogue.SIGNALS.removesuffix("s")):
        click.echo("\nFirst the name in a term, as in rule.terms=[error*pre];")
        click.echo("then the field that a rule written in Python reads.")
    if kind == catalogue.ZOO:
        click.echo("\nA name stands wherever a rule file does: metaplast card zoo/oja")
