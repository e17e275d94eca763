"""Train and resume from Python, with the words and the bits of the command line."""

from os import PathLike
from pathlib import Path
from typing import Any

from metaplast._moved import with_loop
from metaplast.api.carrying import means
from metaplast.api.run import Run, folder_of
from metaplast.api.words import words_of
from metaplast.registry import BadInput
from metaplast.runs import folder, lifecycle, notebook
from metaplast.runs.config import Sources, compose
from metaplast.runs.lifecycle import Request
from metaplast.training.kind import KIND


@with_loop
def train(
    experiment: str | None = None,
    *,
    run_dir: str | PathLike[str] | None = None,
    config: str | PathLike[str] | None = None,
    config_dir: str | PathLike[str] | None = None,
    jobs: int | None = None,
    quiet: bool = False,
    **words: Any,
) -> Run:
    """Train a rule and every other row of its table, as `metaplast train` does.

    The folder of the run has the same files with the same bits. Ctrl-C writes the last finished
    step and raises KeyboardInterrupt; `resume` goes on.

    A task, rule, neuron or objective of a notebook is given as its class or as an instance. Its
    rows train in this process, because no worker could import it.

        run = mp.train("oja", steps=300, task={"n_steps": 40}, seed=1)
        run = mp.train("oja", rule=MyRule, rows={})

    Args:
        experiment: the name of an experiment; None: the main job.
        run_dir: folder of the run, new or empty; None: runs/<date>-<experiment>-<seed>-<id>.
        config: a file with a whole config, in place of an experiment.
        config_dir: a folder of config groups of your own.
        jobs: rows at a time; None: two where there are two cores and the memory for two.
        quiet: whether no progress is shown.
        words: config words. `a={"b": value}` is `a.b=value`, `rule="oja"` is `rule=oja`, and
            `rule={"name": "oja", "rate": 0.2}` both. `steps=300` is short for `outer={"steps":
            300}`. `seeds=8` makes a group of runs.

    Returns: the finished run.
    Raises: BadInput for words that do not compose; Busy for a folder in use; Diverged where no
        loss is finite; KeyboardInterrupt after Ctrl-C.
    """
    path = None
    if run_dir is not None:
        path = Path(run_dir)
        folder.check_free(path)
    check_jobs(jobs)
    file = None if config is None else Path(config)
    sources = Sources(None if config_dir is None else Path(config_dir))
    plain = notebook.recorded(compose(words_of(experiment, words), sources, file))
    with means(quiet, KIND.counted, jobs) as how:
        made = lifecycle.start(KIND, Request(plain), path, how)
    KIND.demand_whole(made)
    return Run(made)


def resume(
    run: "Run | str | PathLike[str]", *, jobs: int | None = None, quiet: bool = False
) -> Run:
    """Go on with a run of any kind that was stopped, as `metaplast resume` does.

    Args:
        run: a run, or its folder. Classes of a notebook that it uses must be defined here.
        jobs: rows at a time; None: as in `train`.
        quiet: whether no progress is shown.

    Returns: the finished run, with the bits of a run that was never stopped.
    Raises: BadInput for a folder without a run, a changed config, or a class that is not here;
        Busy for a folder in use; NoCheckpoint; KeyboardInterrupt after Ctrl-C.
    """
    path = folder_of(run)
    folder.check_idle(path)
    check_jobs(jobs)
    kind = lifecycle.kind_of(path)
    lifecycle.check_jobs(kind, jobs, "jobs")
    with means(quiet, kind.counted, jobs) as how:
        lifecycle.resume(path, how)
    kind.demand_whole(path)
    return Run(path)


def check_jobs(jobs: int | None) -> None:
    """Raises: BadInput for a number of rows at a time that is none."""
    if jobs is not None and (not isinstance(jobs, int) or jobs < 1):
        raise BadInput(f"jobs={jobs!r}", "rows at a time, at least 1", "leave it out")
