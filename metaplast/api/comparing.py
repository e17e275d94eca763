"""Finished runs side by side, and outer loops on one problem."""

from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Any

from metaplast.api.carrying import means, undisturbed
from metaplast.api.rows import Scores
from metaplast.api.run import Run, folder_of, pooled_scores
from metaplast.api.words import words_of
from metaplast.comparing.kind import KIND as COMPARISON
from metaplast.figures.style import Picture, kept
from metaplast.registry import BadInput
from metaplast.reuse import html
from metaplast.runs import folder, lifecycle, notebook
from metaplast.runs.config import Sources, compose
from metaplast.runs.lifecycle import CompareOptions, Request
from metaplast.settings.names import DISCOVERED
from metaplast.training.kind import KIND as TRAINING
from metaplast.training.plot import plot


class Comparison:
    """Finished runs side by side. Runs that differ in their seed are pooled.

    runs: the runs; a group stands as its runs.
    text: the tables that `metaplast compare` prints.
    """

    def __init__(self, runs: Sequence[Run], text: str) -> None:
        """Hold a comparison.

        Args:
            runs: the runs.
            text: the tables.
        """
        self.runs = tuple(runs)
        self.text = text

    @property
    def scores(self) -> Scores:
        """The score of every row under each setting, over its seeds.

        Raises: BadInput for runs that are no trainings.
        """
        if self.runs[0].kind is not TRAINING:
            noun = self.runs[0].kind.noun
            raise BadInput(f"scores of {noun}", "training runs", "read comparison.text")
        return pooled_scores([run.folder for run in self.runs])

    def curves(self, metric: str = "loss", row: str = DISCOVERED) -> Picture:
        """A metric of one row of every run against the outer step, as `metaplast plot` draws it.

        Args:
            metric: a number of metrics.jsonl.
            row: the row.

        Raises: BadInput for a metric or a row that a run does not have.
        """
        with kept() as figures:
            plot([run.folder for run in self.runs], metric, row, Path("curves"))
        return figures["curves"]

    def __repr__(self) -> str:
        return self.text

    def _repr_html_(self) -> str:
        return html.formula(self.text)


def compare(
    runs: Sequence[Run | str | PathLike[str]],
    *,
    row: str = DISCOVERED,
    against: Sequence[str] = (),
) -> Comparison:
    """Lay finished runs side by side, as `metaplast compare RUN_DIR...` does.

        mp.compare([run, "runs/other"]).scores

    Args:
        runs: runs or their folders, all of one kind; a group stands for its runs.
        row: the row whose differences to a reference are shown.
        against: the rows among which the reference is chosen; empty: those with the exact gradient.

    Raises: BadInput for no run, an unfinished run, runs of several kinds, or an unknown row.
    """
    if isinstance(runs, str | PathLike | Run):
        raise BadInput(f"runs={runs!r}", "a list of runs", "write mp.compare([...])")
    members: list[Run] = []
    for each in runs:
        members += Run(folder_of(each)).runs
    if not members:
        raise BadInput("no run", "finished runs", "give a list of runs or folders")
    paths = [run.folder for run in members]
    kind = lifecycle.kind_of_all(paths)
    with undisturbed():
        text = kind.compare(paths, CompareOptions(row, tuple(against)))
    return Comparison(members, text)


def compare_loops(
    experiment: str | None = None,
    *,
    loops: Sequence[str] = (),
    run_dir: str | PathLike[str] | None = None,
    config_dir: str | PathLike[str] | None = None,
    quiet: bool = False,
    **words: Any,
) -> Run:
    """Tune and train several outer loops on one problem, as `metaplast compare WORDS` does.

    All have equal budgets of lives (`compare={"lives": ...}`) and of CPU seconds (`"cpu_s"`).

        print(mp.compare_loops("oja", loops=["bptt", "es"], compare={"cpu_s": 10}).text)

    Args:
        experiment: the name of an experiment; None: the main job.
        loops: the outer loops that take part; empty: those of compare.loops.
        run_dir: folder of the comparison, new or empty; None: runs/<date>-compare-...
        config_dir: a folder of config groups of your own.
        quiet: whether no progress is shown.
        words: config words, as in `train`.

    Returns: the finished comparison. Its numbers are in `result`, its tables in `text`.
    Raises: BadInput for words that do not compose, or an unknown loop; Busy; KeyboardInterrupt
        after Ctrl-C.
    """
    if isinstance(loops, str):
        raise BadInput(f"loops={loops!r}", "a list of outer loops", f"write loops=[{loops!r}]")
    path = None
    if run_dir is not None:
        path = Path(run_dir)
        folder.check_free(path)
    sources = Sources(None if config_dir is None else Path(config_dir))
    plain = notebook.recorded(compose(words_of(experiment, words), sources))
    request = Request(plain, {"only": list(loops)})
    with means(quiet, COMPARISON.counted) as how:
        made = lifecycle.start(COMPARISON, request, path, how)
    return Run(made)
