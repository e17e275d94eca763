"""metaplast information: the bits of a rule, and the bits that its lives learn."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from metaplast.cli import _options
from metaplast.cli._complete import Word

if TYPE_CHECKING:
    from metaplast.tasks import Split


@click.command("information")
@click.argument(
    "arguments", nargs=-1, required=True, type=Word(), metavar="RUN_DIR|RULE [A.B=VALUE...]"
)
@click.option(
    "--lives",
    type=click.IntRange(2, 1_000_000),
    default=64,
    show_default=True,
    help="Lives behind the bits of numbers and the innate share.",
)
@click.option(
    "--tasks",
    type=click.IntRange(2, 4096),
    default=8,
    show_default=True,
    help="The most tasks that are told apart by the weights of their lives.",
)
@click.option(
    "--lives-per-task",
    type=click.IntRange(2, 4096),
    default=16,
    show_default=True,
    help="Lives of each of these tasks.",
)
@click.option(
    "--split",
    type=click.Choice(["validation", "heldout"]),
    default="heldout",
    show_default=True,
    help="The split of the tasks.",
)
@click.option(
    "--chance",
    type=float,
    help="The score of guessing (default: where the accuracy of a task has one).",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of the text.")
@_options.modules
def command(
    arguments: tuple[str, ...],
    lives: int,
    tasks: int,
    lives_per_task: int,
    split: "Split",
    chance: float | None,
    as_json: bool,
    modules: tuple[str, ...],
) -> None:
    """Count the bits of a rule, and the bits that its lives learn.

    Give a finished run, or one rule: the path of a rule file, or zoo/NAME, with words of a config
    that give its task. The text says how many bits the searched numbers need, how many bits on its
    task the final weights of a life hold at least, and which share of the score is innate. Nothing
    is trained or written.

    Example: metaplast information zoo/oja experiment=oja
    """
    from metaplast.runs import start_up

    start_up.prepare(modules)
    from metaplast.inspection.information import Sizes, plain
    from metaplast.inspection.information import words as sentences
    from metaplast.registry import BadInput
    from metaplast.training.information import information_of

    words = []
    named = []
    for argument in arguments:
        if "=" in argument and not Path(argument).exists():
            words.append(argument)
        else:
            named.append(argument)
    if len(named) != 1:
        raise BadInput(f"information of {len(named)} rules", "one run folder or rule", "name one")
    sizes = Sizes(lives, tasks, lives_per_task)
    bits = information_of(named[0], words, split, sizes, chance)
    if as_json:
        click.echo(json.dumps(plain(bits), allow_nan=False))
        return
    for sentence in sentences(bits):
        click.echo(sentence)
