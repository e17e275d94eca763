"""metaplast compare: outer loops on one problem, or finished runs in one table."""

import re
from pathlib import Path

import click

from metaplast.cli import _options
from metaplast.cli._complete import Word
from metaplast.cli._paths import Given
from metaplast.registry import BadInput
from metaplast.runs import start_up

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
@_options.config_dir
@_options.modules
@click.option("--json", "as_json", is_flag=True, help="Print compare.json instead of the tables.")
@_options.quiet
@click.option(
    "--row",
    help="For training runs: the row whose differences to the reference are shown. For fits: the "
    "row that is compared (default: discovered).",
)
@click.option(
    "--against",
    multiple=True,
    metavar="NAME",
    help="For training runs: a row that may be the reference.",
)
@click.option(
    "--out", type=Given(), help="For fits: a PNG over the one numeric setting that varies."
)
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
    """Compare outer loops on one problem, or finished runs.

    WORDS name the problem: experiment=NAME, group=NAME, a.b=value, as in train. Every outer loop is
    tuned on it and trained with several seeds. All have equal budgets of lives (compare.lives) and
    of CPU seconds (compare.cpu_s).

    Example: metaplast compare experiment=oja --loops bptt,pes,es compare.cpu_s=10

    RUN_DIR names finished runs. Runs that differ in their seed are pooled, with t intervals over
    runs (splits). Runs of several settings have another task or network and the same rows. They
    are laid side by side, with the mean of every row in each setting, and with the paired
    difference of a row to the best reference. By default the reference is one of the rows with the
    exact gradient.
    Fits are laid side by side too, with one line for every setting over its seeds. The folder of a
    sweep gives the table of the sweep.
    """
    words = []
    for text in what:
        if _WORD.match(text):
            words.append(text)
    others = []
    for text in what:
        if text not in words:
            others.append(text)
    of_loops = {
        "--loops": loops is not None,
        "--run-dir": run_dir is not None,
        "--config-dir": config_dir is not None,
        "--json": as_json,
        "--quiet": quiet,
    }
    of_runs = {"--row": row is not None, "--against": bool(against), "--out": out is not None}
    if not words:
        _refuse(_given(of_loops), "this option with words only, such as experiment=oja")
        start_up.import_plugins(modules)
        paths = []
        for text in what:
            paths.append(Path(text))
        from metaplast.runs.lifecycle import CompareOptions, kind_of_all
        from metaplast.settings.names import DISCOVERED

        kind = kind_of_all(paths)
        used = [f"--{name}" for name in kind.compare_options]
        unused = []
        for option in _given(of_runs):
            if option not in used:
                unused.append(option)
        _refuse(unused, " or ".join(used) or "no such option", f" with {kind.noun}")
        shown_row = DISCOVERED if row is None else row
        click.echo(kind.compare(paths, CompareOptions(shown_row, against, out)))
        return
    _refuse(_given(of_runs), "this option with runs only")
    if others:
        raise BadInput(
            f"{others[0]!r} beside {words[0]!r}", "either words or run folders", "give one kind"
        )
    from metaplast.runs import folder

    if run_dir is not None:
        folder.check_free(run_dir)  # before the slow import of JAX
    start_up.prepare(modules)
    from metaplast.cli import _run
    from metaplast.comparing.kind import KIND
    from metaplast.runs.config import Sources, compose
    from metaplast.runs.lifecycle import Request

    only: list[str] = []
    if loops is not None:
        for name in loops.split(","):
            only.append(name.strip())
    request = Request(compose(words, Sources(config_dir)), {"only": only})
    _run.start(KIND, request, run_dir, as_json=as_json, quiet=quiet)


def _given(options: dict[str, bool]) -> list[str]:
    """The options that were given."""
    return [name for name, is_given in options.items() if is_given]


def _refuse(options: list[str], expected: str, where: str = "") -> None:
    """Raises: BadInput for the first of some options that have no use there."""
    if options:
        raise BadInput(f"{options[0]}{where}", expected, "leave it out")
