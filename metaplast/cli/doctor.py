"""metaplast doctor: a check of this machine."""

import click


@click.command("doctor")
def command() -> None:
    """Check this machine: print what a run needs, and train two steps.

    It prints versions, devices, memory, the compilation cache, folders and loggers. The line of a
    part that does not work gives the reason. The exit code is 0 where training works.
    """
    from metaplast.cli._listed import entry
    from metaplast.runs import start_up

    start_up.prepare()
    from metaplast.runs.doctor import findings

    for name, value in findings():
        click.echo(entry(name, value, 15))
