"""metaplast eval: finished runs under a changed task or network, and rules in many worlds."""

from pathlib import Path

import click

from metaplast.cli import _options
from metaplast.cli._complete import Word
from metaplast.cli._paths import Given


@click.command("eval")
@click.argument(
    "arguments", nargs=-1, required=True, type=Word(), metavar="RUN_DIR...|RULE [A.B=VALUE...]"
)
@click.option(
    "--lives",
    type=click.IntRange(1, 1_000_000),
    default=1024,
    show_default=True,
    help="Held-out lives per run.",
)
@click.option(
    "--row",
    "rows",
    multiple=True,
    metavar="NAME",
    help="Judge this row beside `discovered` (default: all).",
)
@click.option(
    "--innate",
    is_flag=True,
    help="Judge the score at birth, with no rule at work, beside the score after learning.",
)
@click.option(
    "--grid",
    is_flag=True,
    help="Judge one rule in many worlds, beside baselines that are tuned in each.",
)
@click.option(
    "--factor",
    "factors",
    multiple=True,
    metavar="NAME|A.B=V,V",
    help="With --grid: change this factor alone: task, width, depth, horizon, neuron, noise, pair, "
    "or a field with its values (default: all that have a name).",
)
@click.option(
    "--budget",
    type=click.IntRange(1, 1_000_000),
    metavar="STEPS",
    help="With --grid: outer steps of the search of each baseline (default: as the config says).",
)
@click.option(
    "--out",
    type=Given(),
    help="With --grid: its folder (default: grid in the run folder, or grid-RULE). A grid that was "
    "stopped goes on there.",
)
@_options.modules
def command(
    arguments: tuple[str, ...],
    lives: int,
    rows: tuple[str, ...],
    innate: bool,
    grid: bool,
    factors: tuple[str, ...],
    budget: int | None,
    out: Path | None,
    modules: tuple[str, ...],
) -> None:
    """Judge finished runs under a changed task or network.

    A.B=VALUE is a change of the config. Every row keeps its trained numbers: nothing is tuned
    again. The text begins with a verdict and the next command. The run keeps the scores of a
    changed world, and `metaplast inspect` shows them.

    With --innate, the same held-out lives are lived with plasticity off too. The share of the score
    that is there at birth is counted from the score of guessing, where the task has one. Give runs,
    or one rule file with words such as experiment=readout.

    With --grid, give one run or one rule file: the rule stays as it is, and the baselines are tuned
    anew in every world. A rule file needs words of a config, such as experiment=readout.

    Example: metaplast eval runs/a runs/b task.shots=40 network.hidden=[80,80,80]
    """
    from metaplast.runs import start_up

    start_up.prepare(modules)
    from metaplast.registry import BadInput
    from metaplast.training.transfer import judged, keep_all, text_of

    runs = []
    words = []
    for argument in arguments:
        path = Path(argument)
        if "=" not in argument or path.is_dir():
            runs.append(path)
        else:
            words.append(argument)
    if innate and grid:
        raise BadInput("--innate and --grid", "one of them", "leave one out")
    if grid:
        if len(runs) != 1:
            raise BadInput(f"--grid of {len(runs)} rules", "one run folder or one rule", "name one")
        _grid(str(runs[0]), tuple(words), factors, rows, budget, lives, out, modules)
        return
    if factors or budget is not None or out is not None:
        raise BadInput("--factor, --budget or --out", "--grid beside them", "add --grid")
    if innate:
        from metaplast.training.at_birth import judged_at_birth
        from metaplast.training.at_birth import text_of as text_at_birth

        click.echo(text_at_birth(judged_at_birth(list(map(str, runs)), words, lives, rows)))
        return
    judgement = judged(runs, words, lives, rows)
    click.echo(text_of(judgement))
    for line in keep_all(judgement):
        click.echo(line, err=True)


def _grid(
    rule: str,
    words: tuple[str, ...],
    factors: tuple[str, ...],
    rows: tuple[str, ...],
    budget: int | None,
    lives: int,
    out: Path | None,
    modules: tuple[str, ...],
) -> None:
    """Make a grid, and print its verdict, its table and its files."""
    from metaplast.settings.names import REPORT
    from metaplast.training.grid import RESULT, GridRequest, make_grid
    from metaplast.training.grid_page import FIGURE
    from metaplast.training.grid_text import grid_text

    request = GridRequest(rule, words, factors, rows, budget, lives, out, modules)
    path, made = make_grid(request, lambda line: click.echo(line, err=True))
    click.echo(grid_text(made))
    click.echo(f"\n{path / RESULT}\n{path / FIGURE}\n{path / REPORT}")
