"""Finished runs judged under a changed config: longer lives, other widths, depths or tasks."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from metaplast.inspection.world_verdict import world_verdict
from metaplast.registry import BadInput
from metaplast.results import evaluate, table
from metaplast.results.changed_world import Lived, cell
from metaplast.results.summary import RowScore
from metaplast.results.table import RowFacts
from metaplast.runs.config import Sources, compose
from metaplast.runs.folder import row_folder
from metaplast.runs.job import Config, parse
from metaplast.runs.provenance import as_given, imports
from metaplast.runs.row_files import theta_of
from metaplast.settings.names import CONFIG, DISCOVERED
from metaplast.signals import Theta
from metaplast.training.group import in_runs
from metaplast.training.kept_transfer import keep
from metaplast.training.pool import pool
from metaplast.training.reference_row import judged_elsewhere
from metaplast.training.summary import read_summary


class Judged(NamedTuple):
    """Finished runs judged under a changed config.

    runs: the folders of the runs.
    lived: the lives of each run.
    facts: {row: facts} of all runs.
    is_changed: whether the words change the config.
    outer_steps: of every trained row.
    """

    runs: list[Path]
    lived: list[Lived]
    facts: dict[str, RowFacts]
    is_changed: bool
    outer_steps: int


class Transferred(NamedTuple):
    """Finished runs under a changed config.

    words: the change in words.
    scores: of every row, on held-out lives of the changed config.
    facts: {row: facts}, as it was trained.
    """

    words: str
    scores: list[RowScore]
    facts: dict[str, RowFacts]


def transfer(runs: Sequence[Path], words: Sequence[str], n: int, only: Sequence[str] = ()) -> str:
    """The text on finished runs under a changed config. See `judged`."""
    return text_of(judged(runs, words, n, only))


def judged(runs: Sequence[Path], words: Sequence[str], n: int, only: Sequence[str] = ()) -> Judged:
    """Finished runs judged under a changed config.

    Every row keeps its trained theta. Nothing is tuned again. All rows are judged on the same
    held-out lives of each seed.

    Args:
        runs: the folders of the runs, which differ in their seed, or of a group of them.
        words: words that change the configs.
        n: held-out lives of each run.
        only: rows that are judged beside `discovered`; empty: all rows.

    Raises: BadInput for no run, an unfinished run, words that do not compose, an unknown row, and
        a theta that does not fit.
    """
    if not runs:
        raise BadInput(f"{' '.join(words)}, without a run", "RUN_DIR...", "name a finished run")
    check_words(words)
    runs = in_runs(runs)
    trained = pool(list(runs))
    of_runs = [_scores(run, words, n, only) for run in runs]
    metric = "accuracy"
    for rows in of_runs:
        for scores in rows.values():
            if "accuracy" not in scores:
                metric = "loss"
    lived = []
    for run, rows in zip(runs, of_runs, strict=True):
        values = {}
        for name, scores in rows.items():
            score = np.asarray(scores[metric], np.float64)
            # A life that broke has an accuracy too, of answers that mean nothing.
            is_whole = np.isfinite(scores.get("loss", score))
            values[name] = np.where(is_whole, score, np.nan).tolist()
        seed = read_summary(run).seed
        lived.append(Lived(changes=sorted(words), seed=seed, metric=metric, rows=values))
    facts = {}
    for name, of_row in trained.facts.items():
        # Half of dt and silent populations were measured under the old config.
        facts[name] = replace(of_row, too_long=(), dead=(), silent=())
    before = compose((), Sources(), runs[0] / CONFIG)
    is_changed = compose(words, Sources(), runs[0] / CONFIG) != before
    return Judged(list(runs), lived, facts, is_changed, read_summary(runs[0]).outer_steps)


NOT_OF_LIVES = (
    *("outer", "compare", "fit", "checkpoint_every", "logging", "ancestry", "note"),
    *("problem.n_tasks", "problem.life_clip"),
)
"""Fields of a config that decide how numbers are searched, compared or kept, and no life."""


def check_words(words: Sequence[str]) -> None:
    """Raises: BadInput for a word that changes the split of the data, or no life.

    Held-out lives of another split may show examples that the search saw.
    """
    for word in words:
        name = word.partition("=")[0]
        if name in NOT_OF_LIVES or name.partition(".")[0] in NOT_OF_LIVES:
            raise BadInput(
                word,
                "a word that changes a life, such as task.FIELD=VALUE or network.FIELD=VALUE",
                "leave it out: nothing is tuned again; to search anew, metaplast train",
            )
    for word in words:
        if word.partition("=")[0] in ("seed", "task.split_seed"):
            raise BadInput(
                word,
                "the split of the run: held-out lives of another one may show what its search saw",
                "train with that seed",
            )


def scores_of(judged: Judged) -> Transferred:
    """The scores of judged runs, with a line on their number and on the changes."""
    changes = " ".join(judged.lived[0].changes) or "the setting they were trained in"
    head = f"{len(judged.runs)} run(s), every row as it was trained, in: {changes}"
    scores = cell(judged.lived, judged.facts, DISCOVERED).scores
    return Transferred(head, scores, judged.facts)


def text_of(judged: Judged) -> str:
    """The text of judged runs: the verdict, the next command, and the table."""
    judgement = scores_of(judged)
    verdict = world_verdict(
        cell(judged.lived, judged.facts, DISCOVERED),
        judged.facts,
        DISCOVERED,
        list(map(as_given, judged.runs)),
        judged.outer_steps,
        judged.is_changed,
        imports(judged.runs),
    )
    rows = table.render(judgement.scores, judgement.facts, DISCOVERED)
    return f"{verdict.text}\n\n{judgement.words}\n\n{rows}"


def keep_all(judged: Judged) -> list[str]:
    """Let every run keep its scores in the changed world; nothing where no word changes it.

    Returns: a line for every run, which says where they are, or why they could not be written.
    """
    lines = []
    if not judged.is_changed:
        return lines
    for run, lived in zip(judged.runs, judged.lived, strict=True):
        try:
            lines.append(f"kept for metaplast inspect: {keep(run, lived)}")
        except OSError as error:
            lines.append(f"not kept for metaplast inspect: {error}")
    return lines


def _scores(
    run: Path, words: Sequence[str], n: int, only: Sequence[str]
) -> dict[str, dict[str, np.ndarray]]:
    """{row: {metric: values}} of one run under the changed config."""
    main = parse(compose(words, Sources(), run / CONFIG)).main
    references = dict(main.references())
    scores: dict[str, dict[str, np.ndarray]] = {}
    for name, config, theta in rows_in_world(run, words, only):
        piece = config.evaluation.piece
        problem = config.meta_problem()
        scores[name] = evaluate.lives(problem, theta, config.seed, "heldout", n, piece)
    for name in references:
        if not only or name in only:
            scores[name] = judged_elsewhere(run, main, name, n)
    return scores


class RowInWorld(NamedTuple):
    """A row of a finished run, with its trained theta, under a config that words changed."""

    name: str
    config: Config
    theta: Theta


def rows_in_world(run: Path, words: Sequence[str], only: Sequence[str]) -> Iterator[RowInWorld]:
    """The trained rows of a finished run under a changed config, each in its precision.

    Args:
        run: the folder of the run.
        words: words that change its config.
        only: rows that are wanted beside `discovered`; empty: all rows.

    Raises: BadInput for words that do not compose, an unknown row, and a theta that does not fit.
    """
    old = parse(compose((), Sources(), run / CONFIG))
    new = parse(compose(words, Sources(), run / CONFIG))
    wanted = _wanted([*dict(new.rows), *dict(new.main.references())], only)
    for name, config in new.rows:
        if name not in wanted:
            continue
        jax.config.update("jax_enable_x64", config.precision == "float64")
        trained = theta_of(row_folder(run, name), old.row(name).meta_problem())
        yield RowInWorld(name, config, _fitting(trained, config, name))


def _wanted(known: list[str], only: Sequence[str]) -> list[str]:
    """The rows that are judged. Raises: BadInput for an unknown row."""
    unknown = sorted(set(only) - set(known))
    if unknown:
        raise BadInput(f"row {unknown[0]!r}", f"one of {', '.join(known)}", "correct the name")
    return [DISCOVERED, *only] if only else known


def _fitting(theta: Theta, config: Config, name: str) -> Theta:
    """A trained theta in the form of a changed config.

    The gain of an edge that is gone is left out. A new edge gets the neutral gain.

    Args:
        theta: the trained theta.
        config: the changed config of the row.
        name: the name of the row.

    Raises: BadInput where a rule or the neurons need other numbers than they learned.
    """
    wanted: Any = jax.eval_shape(lambda: config.meta_problem().init(jax.random.key(0)))
    neutral = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), wanted["genome"])
    genome = {}
    for edge, gain in neutral.items():
        genome[edge] = theta["genome"].get(edge, gain)
    theta = {**theta, "genome": genome}
    if jax.tree.map(lambda x: x.shape, theta) != jax.tree.map(lambda x: x.shape, wanted):
        raise BadInput(
            f"row {name}: its learned numbers do not fit the changed network",
            "as many edges and numbers as it was trained with",
            "train it with slots that share one theta (rules: ... shared: true), or change "
            "something else",
        )
    return theta
