"""A run in Python: its scores, its rule, its figures."""

import json
from collections import namedtuple
from collections.abc import Sequence
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import Any

import jax

from metaplast.api import carrying
from metaplast.api.checks import whole
from metaplast.api.inspecting import Effort, Inspection, inspected
from metaplast.api.merging import Merge, merged
from metaplast.api.pictures import SavedPicture, pictures_of
from metaplast.api.plots import Plots
from metaplast.api.rows import Rows, Scores, scores_of
from metaplast.api.words import words_of
from metaplast.registry import BadInput, Plain
from metaplast.results import table
from metaplast.reuse import html
from metaplast.reuse.document import entries
from metaplast.reuse.load import Rule, load_rule
from metaplast.reuse.rule_file import read_rule
from metaplast.runs import folder, lifecycle, metrics
from metaplast.runs.config import read_file
from metaplast.runs.files import figures_in, reader_of
from metaplast.runs.folder import row_folder
from metaplast.runs.job import read_job
from metaplast.runs.lifecycle import RunKind
from metaplast.runs.metrics import METRICS
from metaplast.runs.row_files import theta_of
from metaplast.runs.same_setting import runs_by_setting
from metaplast.settings.names import CONFIG, DISCOVERED, REPORT, RULE_FILE
from metaplast.signals import Theta
from metaplast.training import group, row_words
from metaplast.training.kind import KIND as TRAINING
from metaplast.training.pool import pool
from metaplast.training.summary import read_summary
from metaplast.training.transfer import judged, keep_all
from metaplast.training.transfer import scores_of as scores_of_lives

TABLE = "a training run"


class Run:
    """A run of any kind in its folder: a training, a group of trainings (`seeds`), or a fit.

    Everything is read from the folder when it is asked for. The rule, the scores and the figures
    are those of the folder, so a run of the command line gives the same.

    folder: the folder of the run.
    """

    def __init__(self, path: str | PathLike[str]) -> None:
        """Look at the folder of a run.

        Args:
            path: the folder.

        Raises: BadInput for a folder without a run.
        """
        self.folder = Path(path)
        if not (self.folder / CONFIG).is_file():
            fix = reader_of(str(path)) or "give the folder that train printed"
            raise BadInput(f"{path}", "a run folder, with a config.yaml", fix)

    @cached_property
    def kind(self) -> RunKind[Any]:
        """The kind of run, which `metaplast resume` finds too."""
        return lifecycle.kind_of(self.folder)

    @property
    def finished(self) -> bool:
        """Whether the run is finished; `mp.resume` goes on with one that is not."""
        return self.kind.finished(self.folder)

    @property
    def config(self) -> Plain:
        """The config of the run, as config.yaml holds it."""
        return read_file(self.folder / CONFIG)

    @property
    def runs(self) -> "list[Run]":
        """The runs of a group; the run itself where it is alone."""
        if self.kind is not TRAINING or group.is_alone(self.folder):
            return [self]
        found = []
        for member in group.members(self.folder):
            found.append(Run(member.folder))
        return found

    @property
    def text(self) -> str:
        """The result in words, as the command line prints it.

        Raises: BadInput for an unfinished run.
        """
        self._demand_finished()
        return self.kind.render(self.folder)

    @property
    def result(self) -> Plain:
        """The result as plain data: summary.json, group.json or fit.json.

        Raises: BadInput for an unfinished run.
        """
        self._demand_finished()
        return json.loads(self.kind.render(self.folder, as_json=True))

    @property
    def scores(self) -> Scores:
        """The score of every row on held-out lives; of a group, over its seeds.

        Raises: BadInput for an unfinished run, and for a fit, whose numbers are in `result`.
        """
        self._demand_training()
        return pooled_scores(self._members())

    @property
    def metrics(self) -> Rows[Any]:
        """The numbers of every outer step of every row, also while the run trains.

        The columns are `run`, `row`, and the keys of metrics.jsonl, such as `outer_step` and
        `loss`. A row that lacks a number has None.
        """
        lines: list[Plain] = []
        for run in self.runs:
            for name in run._rows_on_disk():
                for line in metrics.read(row_folder(run.folder, name) / METRICS):
                    lines.append({"run": run.folder.name, "row": name, **line})
        columns: dict[str, None] = {}
        for line in lines:
            columns |= dict.fromkeys(line)
        step: Any = namedtuple("Step", columns, rename=True)
        rows = []
        for line in lines:
            rows.append(step(*map(line.get, columns)))
        return Rows(rows, tuple(columns))

    @property
    def rule(self) -> Rule:
        """The rule that was found.

        Raises: BadInput where there is none, or several: `rules` has them all.
        """
        rules = self.rules
        if len(rules) > 1:
            fix = f"e.g. run.rules[{next(iter(rules))!r}]"
            raise BadInput(f"{self.folder}: {len(rules)} rules", "run.rules", fix)
        return next(iter(rules.values()))

    @property
    def rules(self) -> dict[str, Rule]:
        """{slot, or slot/edge: its rule}. Raises: BadInput where there is no rule."""
        path = self.rule_file
        rules = {}
        for entry, facts in entries(read_rule(path).document).items():
            rules[entry] = load_rule(path, edge=facts.edges[0])
        return rules

    @property
    def rule_file(self) -> Path:
        """The path of rule.safetensors, which `mp.load_rule` reads.

        Raises: BadInput where there is none.
        """
        path = self.folder / RULE_FILE
        if not path.is_file():
            self._demand_finished()
            fix = "take one run of the group: run.runs[0]"
            if len(self.runs) == 1:
                fix = "train one with a plastic edge"
            raise BadInput(f"{self.folder} without {RULE_FILE}", "a run with a rule", fix)
        return path

    @property
    def theta(self) -> Theta:
        """The numbers that the search chose for the discovered row, as a tree of arrays.

        Raises: BadInput for an unfinished run, a group, or a fit.
        """
        return self.theta_of(DISCOVERED)

    def theta_of(self, row: str) -> Theta:
        """The numbers that the search chose for a row.

        Args:
            row: the name of the row.

        Raises: BadInput as `theta` does, and for an unknown row.
        """
        self.alone()
        job = read_job(self.folder)
        known = [name for name, _ in job.rows]
        if row not in known:
            raise BadInput(f"row {row!r}", f"one of {', '.join(known)}", "correct the name")
        config = job.row(row)
        with carrying.precision_kept():
            jax.config.update("jax_enable_x64", config.precision == "float64")
            return theta_of(row_folder(self.folder, row), config.meta_problem())

    @property
    def plot(self) -> Plots:
        """The figures of the page of a training, as figures of matplotlib."""
        return Plots(self.folder, self._drawn_members)

    @property
    def pictures(self) -> dict[str, SavedPicture]:
        """{name: picture} of the pictures in the folder, of a run of any kind, as they were drawn.

        A notebook shows them. `plot` draws those of a training anew, to restyle.
        """
        return pictures_of(self.folder)

    @property
    def page(self) -> Path:
        """The path of report.html. Raises: BadInput where there is none."""
        path = self.folder / REPORT
        if not path.is_file():
            raise BadInput(f"{self.folder} without a page", "a page", "make one: run.inspect()")
        return path

    def inspect(
        self,
        effort: Effort = "usual",
        *,
        lives: int = 128,
        out: str | PathLike[str] | None = None,
        quiet: bool = False,
    ) -> Inspection:
        """Write the page of `metaplast inspect`, and give its findings.

        Args:
            effort: the time that it may take (docs/guides/inspect.md).
            lives: held-out lives per run behind the curves.
            out: folder of the page; None: the folder of the run, or a new one beside a group's
                first run.
            quiet: whether no progress is shown.

        Raises: BadInput for an unfinished run, or a fit.
        """
        paths = [str(path) for path in self._members()]
        return inspected(paths, (), effort, lives, out, quiet)

    def evaluate(self, *, lives: int = 1024, rows: Sequence[str] = (), **words: Any) -> Scores:
        """The scores under a changed task or network, as `metaplast eval` gives them.

        Every row keeps its trained numbers. Nothing is tuned again. The run keeps the scores of a
        changed world, and its page shows them.

            run.evaluate(task={"n_steps": 80})

        Args:
            lives: held-out lives per run.
            rows: judge these rows beside `discovered`; empty: all.
            words: changes of the config, as in `train`.

        Raises: BadInput for an unfinished run, words that do not compose, or numbers that do not
            fit the changed network.
        """
        lives = whole("lives", lives, 1)
        paths = self._members()
        with carrying.undisturbed():
            lived = judged(paths, words_of(None, words), lives, tuple(rows))
            keep_all(lived)
        found = scores_of_lives(lived)
        return Scores(scores_of(found.scores, found.facts))

    def merge(self, k: int | Sequence[int] = 32, *, lives: int = 1024) -> Merge:
        """Merge the rules of the synapses into k rules, as `metaplast merge` does.

            run.merge(8).clusters[8].share

        Args:
            k: the number of rules in every slot, or several numbers.
            lives: held-out lives.

        Raises: BadInput for an unfinished run, a group, a rule without numbers at every synapse,
            and more rules than synapses.
        """
        return merged(self.alone(), k, lives)

    def alone(self) -> Path:
        """The folder of a finished training that is no group.

        Raises: BadInput for an unfinished run, a group, or a fit.
        """
        self._demand_training()
        if len(self.runs) > 1:
            raise BadInput(f"{self.folder}: {len(self.runs)} runs", "one run", "take run.runs[0]")
        return self.folder

    def _members(self) -> list[Path]:
        """The folders of the finished runs. Raises: BadInput for an unfinished run, or a fit."""
        self._demand_training()
        paths = []
        for run in self.runs:
            if run.finished:
                paths.append(run.folder)
        if not paths:
            raise BadInput(f"{self.folder}: every run diverged", "a run with scores", "see log.txt")
        return paths

    def _drawn_members(self) -> list[Path]:
        """As `_members`; the error for a fit names the figures that it has."""
        if self.kind is not TRAINING and (figures := figures_in(self.folder)):
            what = f"a figure of {self.folder}, one of the {self.kind.noun}"
            raise BadInput(what, TABLE, f"{figures}; show one: run.pictures[NAME]")
        return self._members()

    def _rows_on_disk(self) -> list[str]:
        """The rows that have a folder, the discovered one first."""
        names = [DISCOVERED]
        rows = self.folder / folder.ROWS
        if rows.is_dir():
            names += sorted(path.name for path in rows.iterdir() if path.is_dir())
        return names

    def _demand_finished(self) -> None:
        if not self.finished:
            fix = f"mp.resume({str(self.folder)!r})"
            raise BadInput(f"{self.folder}", "a finished run", fix)

    def _demand_training(self) -> None:
        if self.kind is not TRAINING:
            what = f"{self.folder}, one of the {self.kind.noun}"
            raise BadInput(what, TABLE, "read its numbers: run.result, run.text")
        self._demand_finished()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Run) and self.folder.resolve() == other.folder.resolve()

    def __hash__(self) -> int:
        return hash(self.folder.resolve())

    def __str__(self) -> str:
        return self.text if self.finished else repr(self)

    def __repr__(self) -> str:
        return f"Run {self.folder}: {self._words()}"

    def _words(self) -> str:
        """The run in a few words."""
        if not self.finished:
            return f"not finished; go on with mp.resume({str(self.folder)!r})"
        if self.kind is not TRAINING:
            return f"one of the {self.kind.noun}, finished"
        if len(self.runs) > 1:
            return f"{len(self.runs)} runs, finished"
        summary = read_summary(self.folder)
        score = self.scores[DISCOVERED]
        name = summary.experiment or "a run"
        return (
            f"{name}, seed {summary.seed}, {summary.outer_steps} outer steps, {score.metric} "
            f"{score.mean:.4g} [{score.low:.4g}, {score.high:.4g}] on {score.n} held-out lives"
        )

    def _repr_html_(self) -> str:
        parts = [html.line(repr(self))]
        if self.finished and self.kind is TRAINING:
            if len(self.runs) == 1:
                summary = read_summary(self.folder)
                if summary.rule is not None:
                    parts.append(html.formula(summary.rule.formula))
                    row = summary.rows[DISCOVERED]
                    reads = ", ".join(row.reads) or "nothing"
                    parts.append(html.facts([("reach", row.reach), ("reads", reads)]))
                facts = row_words.over_runs([summary])
                head, *rows = table.cells(summary.scores, facts, DISCOVERED)
                parts.append(html.table(head, rows))
            else:
                parts.append(self.scores._repr_html_())
        elif self.finished:
            parts.append(html.formula(self.text))
        return "".join(parts)


def folder_of(run: "Run | str | PathLike[str]") -> Path:
    """The folder of a run, or the path of one."""
    return run.folder if isinstance(run, Run) else Path(run)


def pooled_scores(paths: Sequence[Path]) -> Scores:
    """The score of every row of finished runs under each setting, over its seeds.

    Args:
        paths: the folders of the runs.
    """
    rows = []
    for setting, folders in runs_by_setting(paths).items():
        together = pool(folders)
        rows += scores_of(together.scores, together.facts, setting)
    return Scores(rows)
