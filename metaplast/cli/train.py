"""metaplast train: the search for a rule, and the tuning of every row of its table."""

from pathlib import Path

import click

from metaplast.cli import _options
from metaplast.cli._complete import Word
from metaplast.cli._paths import Given


@click.command("train")
@click.argument("words", nargs=-1, type=Word())
@click.option(
    "--run-dir",
    type=Given("folder"),
    help="Folder of the run (default: runs/<date>-<experiment>-<seed>-<id>).",
)
@_options.config
@_options.config_dir
@_options.modules
@_options.jobs
@click.option(
    "--json", "as_json", is_flag=True, help="Print summary.json, or group.json of several runs."
)
@_options.quiet
def command(
    words: tuple[str, ...],
    run_dir: Path | None,
    config: Path | None,
    config_dir: Path | None,
    modules: tuple[str, ...],
    jobs: int | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Train a rule and every other row of its table.

    WORDS are experiment=NAME, group=NAME (task, network, feedback, genome, rule, objective, outer)
    and a.b=value. Without WORDS, experiment=categories is trained.

    seeds=8 makes eight runs, with the seeds from `seed` on. vary.learning_rate=[0.01,0.03] makes a
    run for each of these values. Together they make a run for each combination, all in one folder.

    distributed=auto shares the lives among the processes of a SLURM or MPI job, each of which runs
    this command. distributed.coordinator=HOST:PORT distributed.processes=2 distributed.id=0 is the
    first of two that nobody tells.

    Example: metaplast train experiment=oja outer.steps=400 seed=1
    """
    from metaplast.runs import folder, processes, start_up

    meeting, words = processes.split(words)
    if run_dir is not None and meeting is None:
        folder.check_free(run_dir)  # before the slow import of JAX
    start_up.prepare(modules)
    from metaplast.cli import _run
    from metaplast.runs.config import Sources, compose
    from metaplast.runs.lifecycle import Request
    from metaplast.training.kind import KIND

    request = Request(compose(words, Sources(config_dir), config))
    _run.start(
        KIND,
        request,
        run_dir,
        jobs=jobs,
        modules=modules,
        as_json=as_json,
        quiet=quiet,
        meeting=meeting,
    )
