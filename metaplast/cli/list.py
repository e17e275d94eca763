"""metaplast list: the plug-ins of every kind, and the signals of terms."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from metaplast.cli import _complete, _options
from metaplast.cli._paths import Given
from metaplast.registry import KINDS, BadInput

if TYPE_CHECKING:
    from metaplast.runs.config import Sources

SIGNALS = "signals"
ZOO = "zoo"


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
    from metaplast.cli import _setup
    from metaplast.cli._listed import listed
    from metaplast.runs.config import Sources

    _setup.import_plugins(modules)
    sources = Sources(config_dir)
    kinds: dict[str, str] = {}
    for key, (_, plural) in KINDS.items():
        kinds |= {key: key, plural: key}
    if kind is None:
        pairs = []
        for name, (_, plural) in KINDS.items():
            pairs.append((plural, ", ".join(_names(name, sources))))
        pairs.append((SIGNALS, "the inputs of a term of a rule: metaplast list signals"))
        pairs.append((ZOO, "rule files with cards: metaplast list zoo"))
        click.echo(listed(pairs))
    elif kind in (SIGNALS, SIGNALS.removesuffix("s")):
        _print_signals()
    elif kind == ZOO:
        _print_zoo()
    elif kind in kinds:
        key = kinds[kind]
        click.echo(listed((name, _headline(key, name, sources)) for name in _names(key, sources)))
    else:
        plurals = [plural for _, plural in KINDS.values()]
        raise BadInput(
            f"kind {kind!r}", f"one of {', '.join([*plurals, SIGNALS, ZOO])}", "choose one"
        )


def _names(kind: str, sources: "Sources") -> list[str]:
    """The plug-ins of a kind, and the files of its config group, such as rules that are terms."""
    from metaplast import registry

    return sorted({*registry.names(kind), *sources.names(kind)})


def _headline(kind: str, name: str, sources: "Sources") -> str:
    """The first line of the docstring of a plug-in, or the reason why it cannot be imported.

    A plug-in without a docstring has an empty line. The docstring of the module comes first where
    the module holds this plug-in alone.
    """
    from metaplast import registry

    if name not in registry.names(kind):
        return sources.headline(kind, name)
    try:
        cls = registry.find(kind, name)
    except Exception as error:
        # A broken plug-in of the user must not hide the others.
        return f"cannot be imported: {type(error).__name__}: {error}".splitlines()[0]
    module = sys.modules.get(cls.__module__)
    of_class = cls.__doc__ or ""
    of_module = (module and module.__doc__) or ""
    if of_class.startswith(f"{cls.__name__}("):
        of_class = ""  # Python writes it for a dataclass without a docstring
    is_alone = cls.__module__.rpartition(".")[2] == name
    docstring = (of_module or of_class) if is_alone else (of_class or of_module)
    return next(iter(docstring.strip().splitlines()), "")


def _print_signals() -> None:
    from metaplast.cli._listed import listed
    from metaplast.reuse.signal_words import lines

    click.echo(listed((name, f"{field}: {words}") for name, field, words in lines()))
    click.echo("\nFirst the name in a term, as in rule.terms=[error*pre];")
    click.echo("then the field that a rule written in Python reads.")


def _print_zoo() -> None:
    from metaplast.cli._listed import listed
    from metaplast.reuse import shelf

    pairs = []
    for name in shelf.names():
        pairs.append((shelf.PREFIX + name, shelf.shelved(name).title))
    click.echo(listed(pairs))
    click.echo("\nA name stands wherever a rule file does: metaplast card zoo/oja")
