"""metaplast native: the native step of spiking networks."""

import click


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
        click.echo(f"step: jax (no native step is built: {library.BUILD})")
        return
    if library.is_off():
        click.echo(f"step: jax ({library.OFF}=0)")
    _print(built)


@command.command("remove")
def remove() -> None:
    """Delete the native step from the cache folder."""
    from metaplast.native import library

    gone = library.remove()
    for path in gone:
        click.echo(f"removed: {path}")
    if not gone:
        click.echo("there was no native step")


def _print(built) -> None:
    from metaplast.native import library

    if not library.is_off():
        click.echo(f"step: native {built.digest}")
    click.echo(f"library: {built.path}")
    click.echo(f"compiler: {built.compiler}")
    click.echo(f"flags: {built.flags}")
