"""metaplast native: the native step of spiking networks."""

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from metaplast.native.library import Built

COLUMN = 10
"""The column in which the words begin."""


@click.group("native")
def command() -> None:
    """Build, show or remove the native step of spiking networks.

    It makes synapses that change at spikes faster on a CPU. Your C++ compiler builds it, once. Runs
    use it from then on where it fits, and METAPLAST_NATIVE=0 turns it off.
    """


@command.command("build")
def build() -> None:
    """Compile the native step into the cache folder."""
    from metaplast.native import library

    _print(library.build())


@command.command("status")
def status() -> None:
    """Print whether the native step is there, and whether runs use it."""
    from metaplast.native import library

    built = library.found()
    if built is None:
        _line("step", f"jax; no native step is built (run {library.BUILD})")
    else:
        _print(built)


@command.command("remove")
def remove() -> None:
    """Delete the native step from the cache folder."""
    from metaplast.native import library

    gone = library.remove()
    for path in gone:
        _line("removed", str(path))
    if not gone:
        _line("removed", "nothing, as no native step was built")


def _print(built: "Built") -> None:
    """Print the facts of a library, and the step that runs use."""
    from metaplast.native import library

    _line("step", f"jax; {library.OFF} is 0" if library.is_off() else library.name())
    _line("library", str(built.path))
    _line("compiler", built.compiler)
    _line("flags", built.flags)


def _line(label: str, words: str) -> None:
    from metaplast.cli._listed import entry

    click.echo(entry(label, words, COLUMN))
