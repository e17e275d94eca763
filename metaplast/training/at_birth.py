"""Finished runs, or one rule file, judged at birth and after learning."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from metaplast.figures.innate import words_on
from metaplast.inspection.distillation import unpenalised
from metaplast.inspection.innate import Innate, chance_of, innate, still
from metaplast.problem.meta_problem import MetaProblem
from metaplast.registry import BadInput
from metaplast.results import evaluate
from metaplast.reuse import shelf
from metaplast.settings.names import DISCOVERED
from metaplast.signals import Theta
from metaplast.training.group import in_runs
from metaplast.training.inspected import of_rule
from metaplast.training.pool import pool
from metaplast.training.transfer import check_words, rows_in_world


class AtBirth(NamedTuple):
    """Rows judged at birth and after learning.

    words: whose lives these are.
    metric: the name of the score.
    rows: {row: its scores}.
    """

    words: str
    metric: str
    rows: dict[str, Innate]


class _Lived(NamedTuple):
    """The same lives of a row with and without its rule.

    at_birth, learned: {metric: values [n_lives]}.
    chance: the score of guessing in accuracy; None where it is not known.
    """

    at_birth: dict[str, np.ndarray]
    learned: dict[str, np.ndarray]
    chance: float | None


def judged_at_birth(
    named: Sequence[str], words: Sequence[str], n: int, only: Sequence[str] = ()
) -> AtBirth:
    """The scores of finished runs, or of one rule file, at birth and after learning.

    All rows are judged on the same held-out lives of each seed. A loss holds no penalty of theta.

    Args:
        named: the folders of runs that differ in their seed, or of a group of them; or the path of
            one rule file, or `zoo/NAME`.
        words: words that change the config of a run, or that give the task of a rule file.
        n: held-out lives of each run.
        only: rows that are judged beside `discovered`; empty: every trained row.

    Raises: BadInput for no run, an unfinished run, words that do not compose, an unknown row, and
        a theta that does not fit.
    """
    paths = []
    for name in named:
        paths.append(shelf.file_of(name) if shelf.is_shelved(name) else Path(name))
    if len(paths) == 1 and paths[0].is_file():
        if not words:
            raise BadInput(f"{named[0]}, a rule without a task", "words", "add experiment=NAME")
        subject = of_rule(paths[0], words)
        lived = _lived(subject.problem, subject.theta, subject.seed, n, evaluate.PIECE)
        of_rows = {DISCOVERED: [lived]}
        head = f"{named[0]} on held-out lives, in: {' '.join(words)}"
    else:
        of_rows = _of_runs(paths, words, n, only)
        setting = " ".join(words) or "the setting they were trained in"
        n_runs = len(of_rows[DISCOVERED])
        head = f"{n_runs} run(s), every row as it was trained, on held-out lives in: {setting}"
    every = [lived for of_row in of_rows.values() for lived in of_row]
    has_accuracy = all("accuracy" in lived.learned for lived in every)
    metric = "accuracy" if has_accuracy else "loss"
    rows = {}
    for name, of_row in of_rows.items():
        rows[name] = innate(
            [lived.at_birth[metric] for lived in of_row],
            [lived.learned[metric] for lived in of_row],
            of_row[0].chance if has_accuracy else None,
            has_accuracy,
        )
    return AtBirth(head, metric, rows)


def text_of(judged: AtBirth) -> str:
    """The text of judged rows: a line for each."""
    lines = [judged.words, ""]
    for name, row in judged.rows.items():
        lines.append(f"{name} ({row.learned.n} lives): {words_on(row, judged.metric)}")
    return "\n".join(lines)


def _of_runs(
    paths: Sequence[Path], words: Sequence[str], n: int, only: Sequence[str]
) -> dict[str, list[_Lived]]:
    """{row: its lives in every run}."""
    if not paths:
        raise BadInput(" ".join(words), "RUN_DIR... or RULE", "name a finished run or a rule file")
    check_words(words)
    runs = in_runs(paths)
    pool(runs)  # refuses unfinished runs, and those that differ in more than their seed
    of_rows: dict[str, list[_Lived]] = {}
    for run in runs:
        for name, config, theta in rows_in_world(run, words, only):
            problem = config.meta_problem()
            lived = _lived(problem, theta, config.seed, n, config.evaluation.piece)
            of_rows.setdefault(name, []).append(lived)
    return of_rows


def _lived(problem: MetaProblem, theta: Theta, seed: int, n: int, piece: int) -> _Lived:
    problem = unpenalised(problem)
    learned = evaluate.lives(problem, theta, seed, "heldout", n, piece)
    at_birth = evaluate.lives(*still(problem, theta), seed, "heldout", n, piece)
    return _Lived(at_birth, learned, chance_of(problem.lifetime.task, "accuracy"))
