"""metaplast launch: a run, or every member of a sweep, as jobs of a cluster."""

import shlex
import sys
from pathlib import Path

import click

from metaplast.cli import _options
from metaplast.cli._complete import Word
from metaplast.cli._listed import entry
from metaplast.cli._paths import Given
from metaplast.registry import BadInput

COLUMN = 9
"""The column in which the words begin."""


@click.group("launch")
def command() -> None:
    """Train on a cluster.

    The scripts that it writes go on after a time limit, a preemption and a lost node.
    """


@command.command("slurm")
@click.argument("words", nargs=-1, type=Word())
@click.option(
    "--run-dir",
    type=Given("folder"),
    help="Folder of the run or sweep. Scripts and logs go into a folder of this name with .slurm "
    "at its end.",
)
@click.option(
    "--array",
    is_flag=True,
    help="WORDS are those of metaplast sweep, and each member is a task of a job array.",
)
@click.option("--at-once", type=click.IntRange(1), help="Tasks of the array at the same time.")
@click.option("--time", help="Time limit of a job: minutes, H:MM:SS or D-HH:MM.")
@click.option("--partition", help="Partition, or several with commas.")
@click.option("--account", help="Account that pays.")
@click.option("--cpus", type=click.IntRange(1), help="Cores of a process.")
@click.option("--gpus", type=click.IntRange(1), help="GPUs of a node.")
@click.option("--mem", help="Memory of a node, such as 8G.")
@click.option(
    "--nodes", type=click.IntRange(1), default=1, help="Nodes of a run. Its processes are one job."
)
@click.option(
    "--tasks-per-node", type=click.IntRange(1), default=1, help="Processes of a run on every node."
)
@click.option(
    "--setup",
    multiple=True,
    metavar="LINE",
    help="Line of the shell before the program, such as 'source env/bin/activate'. It may be given "
    "several times. Without one, the job uses the environment of this command.",
)
@click.option(
    "--sbatch",
    "more",
    multiple=True,
    metavar="OPTION=VALUE",
    help="Another option of sbatch, such as qos=long. It may be given several times.",
)
@click.option("--dry-run", is_flag=True, help="Write and print the scripts, and submit nothing.")
@_options.config
@_options.config_dir
@_options.modules
@_options.jobs
def slurm(
    words: tuple[str, ...],
    run_dir: Path | None,
    array: bool,
    at_once: int | None,
    time: str | None,
    partition: str | None,
    account: str | None,
    cpus: int | None,
    gpus: int | None,
    mem: str | None,
    nodes: int,
    tasks_per_node: int,
    setup: tuple[str, ...],
    more: tuple[str, ...],
    dry_run: bool,
    config: Path | None,
    config_dir: Path | None,
    modules: tuple[str, ...],
    jobs: int | None,
) -> None:
    """Train by a job of SLURM.

    WORDS are those of train; with --array, those of sweep.

    Example: metaplast launch slurm experiment=oja seed=1 --time 1:00:00 --mem 4G
    """
    from metaplast.clusters import submit
    from metaplast.clusters.resources import Resources
    from metaplast.runs import start_up

    resources = Resources(time, partition, account, cpus, gpus, mem, nodes, tasks_per_node, more)
    if array and resources.n_tasks > 1:
        raise BadInput(
            "--array with several processes of a run",
            "one process of every member",
            "leave out --nodes and --tasks-per-node, or --array",
        )
    if at_once is not None and not array:
        raise BadInput("--at-once without --array", "the tasks of an array", "leave it out")
    if not dry_run:
        submit.check_sbatch()
    if run_dir is not None:
        submit.check_place(run_dir)  # before the slow import of JAX
    start_up.prepare(modules)
    from metaplast.clusters import commands
    from metaplast.clusters.script import AFTER, Launch, scripts

    commands.check_words((*words, *setup))
    given = commands.Given(config, config_dir, modules, jobs)
    if array:
        target = commands.a_sweep(words, run_dir, given)
    else:
        target = commands.a_run(words, run_dir, given, resources.n_tasks)
    launch = Launch(
        target.run,
        resources,
        target.commands,
        target.members,
        at_once,
        setup or _this(),
        shlex.join(["metaplast", *click.get_current_context().obj]),
        Path.cwd(),
    )
    submit.check_place(launch.run)
    if not dry_run:
        submit.check_job(launch)
    if target.sweep is not None:
        from metaplast.cli import _run
        from metaplast.sweeping.kind import KIND

        _run.lay_out(KIND, target.sweep, launch.run, modules=modules)
    submit.write(launch)
    if dry_run:
        for name, text in scripts(launch).items():
            click.echo(f"{launch.side / name}:\n\n{text}")
        click.echo(f"Submit them: bash {launch.side / AFTER}")
        return
    done = submit.submit(launch)
    _line("scripts", f"{launch.side}")
    _line("jobs", f"{done.job}, then {done.after}")
    _line("stop", f"scancel --name={launch.name}")


def _line(label: str, words: str) -> None:
    click.echo(entry(label, words, COLUMN))


def _this() -> tuple[str, ...]:
    """The lines of the shell by which a job has the program of this process."""
    return (f"export PATH={shlex.quote(str(Path(sys.executable).parent))}:$PATH",)
