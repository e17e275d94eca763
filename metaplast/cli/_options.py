"""Options that several verbs have."""

import click

from metaplast.cli._paths import Given

config = click.option(
    "--config", type=Given(), help="A whole config, such as the config.yaml of another run."
)
config_dir = click.option(
    "--config-dir",
    type=Given("folder"),
    help="Your own config groups, looked up before the shipped ones.",
)
modules = click.option(
    "--import", "modules", multiple=True, metavar="MODULE", help="Import your own plug-ins first."
)
jobs = click.option(
    "--jobs",
    type=click.IntRange(1),
    help="Rows trained at the same time (default: 2 where there are two cores and the memory for "
    "it).",
)
quiet = click.option("--quiet", is_flag=True, help="No progress bars.")
