"""metaplast doctor: a check of this machine."""

from functools import partial

import click


@click.command("doctor")
@click.option(
    "--measure",
    is_flag=True,
    help="Measure the device once, and keep its layout of lives in the cache folder.",
)
def command(measure: bool) -> None:
    """Check this machine: print what a run needs, and train two steps.

    It prints versions, devices, memory, the compilation cache, folders and loggers. The line of a
    part that does not work gives the reason. The exit code is 0 where training works.

    With --measure it times chunks of several sizes on the device in use instead, and keeps the
    result for all later runs on that kind of device. A CPU keeps its fixed layout. Each measurement
    is told on stderr while it goes on.
    """
    from metaplast.cli._listed import entry
    from metaplast.runs import start_up

    start_up.prepare()
    from metaplast.runs.doctor import findings, measurement

    parts = measurement(partial(click.echo, err=True)) if measure else findings()
    for name, value in parts:
        click.echo(entry(name, value, 15))
