"""metaplast list: what can be combined."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from metaplast.cli import _complete
from metaplast.cli._paths import Given
from metaplast.registry import KINDS, BadInput

if TYPE_CHECKING:
    from metaplast.runs.config import Sources

SIGNALS = "signals"


@click.command("list")
@click.argument("kind", required=False, shell_complete=_complete.kinds)
@click.option("--config-dir", type=Given("folder"), help="Your own config groups as well.")
@click.option(
    "--import", "modules", multiple=True, metavar="MODULE", help="Import your own plug-ins first."
)
def command(kind: str | None, config_dir: Path | None, modules: tuple[str, ...]) -> None:
    """Print the names of one kind of plug-in with what they are: rules, tasks, networks, neurons,
    ...; or the signals that a term of a rule may read. Without KIND: every kind with its names.
    """
    from metaplast.cli import _setup
    from metaplast.cli._listed import listed
    from metaplast.runs.config import Sources

    _setup.import_plugins(modules)
    sources = Sources(config_dir)
    words = {word: key for key, (_, plural) in KINDS.items() for word in (key, plural)}
    if kind is None:
        pairs = [(plural, ", ".join(_names(key, sources))) for key, (_, plural) in KINDS.items()]
        click.echo(
            listed([*pairs, (SIGNALS, "what a term of a rule may read: metaplast list signals")])
        )
    elif kind in (SIGNALS, SIGNALS.removesuffix("s")):
        _print_signals()
    elif kind in words:
        key = words[kind]
        click.echo(listed((name, _headline(key, name, sources)) for name in _names(key, sources)))
    else:
        plurals = [plural for _, plural in KINDS.values()]
        raise BadInput(f"kind {kind!r}", f"one of {', '.join([*plurals, SIGNALS])}", "choose one")


def _names(kind: str, sources: "Sources") -> list[str]:
    """Plug-ins, and files of the config group of the same name: rules that are lists of terms."""
    from metaplast import registry

    return sorted({*registry.names(kind), *sources.names(kind)})


def _headline(kind: str, name: str, sources: "Sources") -> str:
    """The first line of what a plug-in says of itself, empty where it says nothing; or why it
    cannot be imported.
    """
    from metaplast import registry

    if name not in registry.names(kind):
        return sources.headline(kind, name)
    try:
        cls = registry.find(kind, name)
    except Exception as error:  # a plug-in of somebody else: the others are listed all the same
        return f"cannot be imported: {type(error).__name__}: {error}".splitlines()[0]
    module = sys.modules.get(cls.__module__)
    own, its_files = cls.__doc__ or "", (module and module.__doc__) or ""
    if own.startswith(f"{cls.__name__}("):  # what a dataclass without a docstring is given
        own = ""
    alone = cls.__module__.rpartition(".")[2] == name
    said = (its_files or own) if alone else (own or its_files)
    return next(iter(said.strip().splitlines()), "")


def _print_signals() -> None:
    from metaplast.cli._listed import listed
    from metaplast.cli._signal_words import lines

    click.echo(listed((name, f"{field}: {words}") for name, field, words in lines()))
    click.echo("\nFirst the name in a term, as in rule.terms=[error*pre];")
    click.echo("then the field that a rule written in Python reads.")
