"""metaplast configs: the experiments and the files of every config group."""

from pathlib import Path

import click

from metaplast.cli._paths import Given


@click.command("configs")
@click.option("--config-dir", type=Given("folder"), help="Your own config groups as well.")
def command(config_dir: Path | None) -> None:
    """Print the experiments and the files of every config group."""
    from metaplast.cli._listed import listed
    from metaplast.runs.config import Sources
    from metaplast.runs.merging import GROUPS

    sources = Sources(config_dir)
    lines = []
    for group in GROUPS:
        for name in sources.names(group):
            lines.append((f"{group}={name}", sources.headline(group, name)))
    click.echo(listed(lines))
