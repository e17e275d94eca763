"""metaplast merge: k rules in place of one rule a synapse."""

from pathlib import Path

import click

from metaplast.cli import _options
from metaplast.cli._paths import Given


@click.command("merge")
@click.argument("run_dir", type=Given("folder"))
@click.option(
    "--k",
    "ks",
    type=click.IntRange(1, 1_000_000),
    multiple=True,
    default=(32,),
    show_default="32",
    help="Rules that are left in every slot; several times for several numbers.",
)
@click.option(
    "--lives",
    type=click.IntRange(2, 1_000_000),
    default=1024,
    show_default=True,
    help="Held-out lives.",
)
@_options.modules
def command(run_dir: Path, ks: tuple[int, ...], lives: int, modules: tuple[str, ...]) -> None:
    """Merge the rules of the synapses of a finished run into k rules.

    RUN_DIR is a run whose rule has numbers of its own at every synapse: rule abcd with shared:
    false, or rule per_synapse. The numbers are clustered, every synapse gets the centre of its
    cluster, and the held-out lives are lived again. The table shows k, the powers of two below it,
    one rule for all, and random groups of the same sizes, each with its gain over birth. Nothing is
    searched anew.

    The folder of the run gets merge.json, figures/merging.svg and rule.merged-K.safetensors, and
    `metaplast inspect` shows the result on the page.

    Example: metaplast merge runs/a --k 32
    """
    from metaplast.runs import start_up

    start_up.prepare(modules)
    from metaplast.runs import folder
    from metaplast.training.merge import merge, text_of

    with folder.naming_errors(run_dir):
        result = merge(run_dir, ks, lives)
    click.echo(text_of(result.merging))
    click.echo()
    for path in result.files:
        click.echo(path)
