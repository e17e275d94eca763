"""metaplast sweep: trainings of every combination of the values of some words."""

import shlex
from pathlib import Path

import click

from metaplast.cli import _options
from metaplast.cli._complete import SweptWord
from metaplast.cli._paths import Given
from metaplast.registry import BadInput


@click.command("sweep")
@click.argument("words", nargs=-1, type=SweptWord())
@click.option(
    "--run-dir",
    type=Given("folder"),
    help="Folder of the sweep (default: runs/<date>-sweep-<experiment>-<runs>-<id>).",
)
@_options.config
@_options.config_dir
@_options.modules
@click.option(
    "--jobs",
    type=click.IntRange(1),
    help="Members trained at the same time (default: 2 where there are two cores and the memory "
    "for it).",
)
@click.option("--plan", is_flag=True, help="Make the folder, print its members, train nothing.")
@click.option(
    "--member",
    type=click.IntRange(0),
    metavar="I",
    help="Begin or resume one member, counted from 0, of the sweep in --run-dir.",
)
@click.option("--parent", type=int, hidden=True, help="End with this process.")
@click.option("--json", "as_json", is_flag=True, help="Print the results as JSON.")
@_options.quiet
def command(
    words: tuple[str, ...],
    run_dir: Path | None,
    config: Path | None,
    config_dir: Path | None,
    modules: tuple[str, ...],
    jobs: int | None,
    plan: bool,
    member: int | None,
    parent: int | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Train every combination of the values of some words.

    WORDS are as in train. outer=bptt,es gives two values, seed=0..9 gives ten. A comma inside of
    brackets belongs to a value. A word with one value is common to all runs.

    Runs that differ in their seed and in numbers of the outer loop train as one group, by one
    compiled program. All others have a process each. A run that fails is named, and the others
    finish. `metaplast resume` goes on with a sweep, and tries its failed members again.

    Example: metaplast sweep experiment=oja outer=bptt,es seed=0..9 --jobs 2
    """
    from metaplast.runs import folder, start_up

    of_new = {
        "WORDS": bool(words),
        "--config": config is not None,
        "--config-dir": config_dir is not None,
        "--plan": plan,
        "--json": as_json,
    }
    if member is not None:
        _refuse(of_new, "--member")
        _train_member(run_dir, member, parent, modules, jobs, quiet)
        return
    if plan:
        of_training = {"--jobs": jobs is not None, "--json": as_json}
        _refuse(of_training, "--plan")
    if run_dir is not None:
        folder.check_free(run_dir)  # before the slow import of JAX
    start_up.prepare(modules)
    from metaplast.cli import _run
    from metaplast.runs.config import Sources
    from metaplast.sweeping.axes import words_of
    from metaplast.sweeping.kind import KIND
    from metaplast.sweeping.members import Origin
    from metaplast.sweeping.request import read_sweep, request_of

    request = request_of(words_of(words), Origin(Sources(config_dir), config), modules)
    if not plan:
        _run.start(KIND, request, run_dir, jobs=jobs, modules=modules, as_json=as_json, quiet=quiet)
        return
    made = _run.lay_out(KIND, request, run_dir, modules=modules)
    for index, each in enumerate(read_sweep(made).members):
        click.echo(f"{index}  {made / each.name}  {len(each.runs)}  {shlex.join(each.words)}")


def _refuse(given: dict[str, bool], beside: str) -> None:
    """Raises: BadInput for the first option that was given and has no use beside another one."""
    for name, is_given in given.items():
        if is_given:
            raise BadInput(f"{name} with {beside}", f"{beside} without it", "leave it out")


def _train_member(
    run_dir: Path | None,
    index: int,
    parent: int | None,
    modules: tuple[str, ...],
    jobs: int | None,
    quiet: bool,
) -> None:
    """Begin or resume one member of a sweep that is planned."""
    from metaplast.runs import start_up

    if run_dir is None:
        raise BadInput("--member without --run-dir", "the folder of a sweep", "name it")
    if not run_dir.is_dir():
        raise BadInput(f"{run_dir}", "the folder of a sweep", "plan one with --plan")
    start_up.prepare(modules)
    from metaplast.cli import _run
    from metaplast.runs.lifecycle import Request
    from metaplast.runs.workers import end_with
    from metaplast.sweeping.request import read_sweep
    from metaplast.training.kind import KIND

    if parent is not None:
        end_with(parent)
    sweep = read_sweep(run_dir)
    if index >= len(sweep.members):
        what = f"--member {index} of {run_dir}"
        raise BadInput(what, f"0 to {len(sweep.members) - 1}", "correct the number")
    member = sweep.members[index]
    path = run_dir / member.name
    _run.begin_or_resume(
        KIND,
        Request(member.config),
        path,
        command=sweep.command(member, path),
        jobs=jobs,
        modules=modules,
        quiet=quiet,
    )
