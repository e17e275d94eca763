"""metaplast list: what can be combined."""

import sys

import click


@click.command("list")
@click.argument("kind")
def command(kind: str) -> None:
    """Print the names of one kind of plug-in with their first line: rules, tasks, networks, neurons, ..."""
    from metaplast import registry
    from metaplast.registry import BadInput

    words = {word: key for key, (_, plural) in registry.KINDS.items() for word in (key, plural)}
    if kind not in words:
        raise BadInput(
            f"kind {kind!r}", f"one of {', '.join(plural for _, plural in registry.KINDS.values())}", "choose one"
        )
    for name in registry.names(words[kind]):
        module = sys.modules[registry.find(words[kind], name).__module__]
        click.echo(f"{name:18} {(module.__doc__ or '').strip().splitlines()[0]}")
