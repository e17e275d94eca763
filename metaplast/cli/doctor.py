"""metaplast doctor: is this machine ready."""

import click


@click.command("doctor")
def command() -> None:
    """Print versions, devices, memory, the compilation cache, folders and loggers, and train two
    steps.

    Exit code 0 where training works; the line of a part that does not work says why.
    """
    from metaplast.cli import _setup
    from metaplast.cli._listed import entry

    _setup.prepare()
    from metaplast.runs.doctor import findings

    for name, value in findings():
        click.echo(entry(name, value, 15))
