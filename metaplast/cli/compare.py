"""metaplast compare: outer loops on one problem, or finished runs in one table."""

import json
import re
from pathlib import Path

import click

from metaplast.cli import _progress, _setup
from metaplast.cli._complete import Word
from metaplast.cli._paths import Given
from metaplast.registry import BadInput

OF_LOOPS, OF_RUNS = (
    ("--loops", "--run-dir", "--config-dir", "--json", "--quiet"),
    ("--row", "--against", "--out"),
)

_WORD = re.compile(r"[\w.-]+=")


@click.command("compare")
@click.argument("what", nargs=-1, required=True, type=Word(), metavar="WORDS... | RUN_DIR...")
@click.option(
    "--loops",
    metavar="A,B,...",
    help="Outer loops that take part (default: those of compare.loops).",
)
@click.option(
    "--run-dir",
    type=Given("folder"),
    help="Folder of the comparison (default: runs/<date>-compare-...).",
)
@click.option(
    "--config-dir",
    type=Given("folder"),
    help="Your own config groups, looked up before the shipped ones.",
)
@click.option(
    "--import", "modules", multiple=True, metavar="MODULE", help="Import your own plug-ins first."
)
@click.option("--json", "as_json", is_flag=True, help="Print compare.json instead of the tables.")
@click.option("--quiet", is_flag=True, help="No progress bars.")
@click.option(
    "--row", help="Runs: whose differences to the reference to show (default: discovered)."
)
@click.option(
    "--against", multiple=True, metavar="NAME", help="Runs: a row that may be the reference."
)
@click.option("--out", type=Given(), help="Fits: PNG over the one numeric setting that varies.")
def command(
    what: tuple[str, ...],
    loops: str | None,
    run_dir: Path | None,
    config_dir: Path | None,
    modules: tuple[str, ...],
    as_json: bool,
    quiet: bool,
    row: str | None,
    against: tuple[str, ...],
    out: Path | None,
) -> None:
    """Compare outer loops on one problem, or lay finished runs side by side.

    WORDS (experiment=NAME, group=NAME, a.b=value, as in train): several outer loops on this
    problem, each tuned, with several seeds, under equal budgets of lives (compare.lives) and of CPU
    seconds (compare.cpu_s).
    Example: metaplast compare experiment=oja --loops bptt,pes,es compare.cpu_s=10

    RUN_DIR...: runs that differ in their seed are pooled, with t intervals over runs (splits). Runs
    of several worlds (other task or network, same rows) are laid side by side: the mean of every
    row in each, and the paired difference to the best reference, by default among the rows that are
    given the exact gradient. Fits are laid
    side by side too: one line per setting, over its seeds.
    """
    words = [text for text in what if _WORD.match(text)]
    given = (loops is not None, run_dir, config_dir, as_json, quiet)
    if words:
        _refuse(OF_RUNS, (row, against, out), "with runs only")
        if others := [text for text in what if text not in words]:
            raise BadInput(
                f"{others[0]!r} beside {words[0]!r}", "either words or run folders", "give one kind"
            )
        _loops(tuple(words), loops, (run_dir, config_dir), modules, (as_json, quiet))
    else:
        _refuse(OF_LOOPS, given, "with words only, such as experiment=oja")
        _setup.import_plugins(modules)
        _runs([Path(text) for text in what], row or "discovered", against, out)


def _refuse(options: tuple[str, ...], values: tuple[object, ...], where: str) -> None:
    for option, value in zip(options, values, strict=True):
        if value:
            raise BadInput(option, f"this option {where}", "leave it out")


def _loops(
    words: tuple[str, ...],
    only: str | None,
    folders: tuple[Path | None, Path | None],
    modules: tuple[str, ...],
    style: tuple[bool, bool],
) -> None:
    from metaplast.runs import folder

    run_dir, config_dir = folders
    if run_dir is not None:
        folder.check_free(run_dir)  # at once, before JAX is imported
    _setup.prepare(modules)
    from metaplast.comparing import run as compare_loops
    from metaplast.runs.config import Sources, compose

    plain = compose(words, Sources(config_dir))
    names = [name.strip() for name in only.split(",")] if only is not None else []
    with _progress.progress(any(style), _progress.TRAININGS) as show:
        made = compare_loops.start(plain, run_dir, show, names, show.say)
    click.echo(json.dumps(compare_loops.read(made)) if style[0] else compare_loops.render(made))


def _runs(runs: list[Path], row: str, against: tuple[str, ...], out: Path | None) -> None:
    if not runs[0].is_dir():
        from metaplast.runs.files import reader_of

        fix = reader_of(str(runs[0])) or f"did you mean experiment={runs[0]}?"
        raise BadInput(f"{runs[0]}", "a run folder, or words", fix)
    from metaplast.comparing import run as compare_loops
    from metaplast.fitting import compare as fit_compare
    from metaplast.fitting.run import is_fit
    from metaplast.training import side_by_side

    if compare_loops.is_comparison(runs[0]):
        click.echo("\n\n".join(compare_loops.render(run) for run in runs))
    elif is_fit(runs[0]):
        click.echo(fit_compare.compare(runs, row, out))
    else:
        click.echo(side_by_side.compare(runs, row, against))
