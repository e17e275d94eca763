"""Scores of trained rows in a changed world: another task, network or length of life.

Nothing is tuned there. A list of `Cell` is all that a page or a matrix of worlds needs.
`metaplast.training.kept_transfer` writes and reads the files.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from metaplast.results import table
from metaplast.results.numbers import Bounds, json_list
from metaplast.results.summary import Difference, RowScore, TrainedRow, score_to_json
from metaplast.results.table import RowFacts
from metaplast.results.typed_json import Number, Plain, of_schema

SCHEMA = "metaplast.transfer/1"


@dataclass(frozen=True, kw_only=True)
class Lived:
    """The lives of one run's rows in a changed world.

    changes: the words that change its config, sorted.
    seed: of the run.
    metric: the name of the values.
    rows: {row: value of every held-out life}; all rows on the same lives.
    """

    changes: list[str]
    seed: int
    metric: str
    rows: dict[str, list[Number]]


@dataclass(frozen=True, kw_only=True)
class Cell:
    """The scores of all rows in one changed world, over one or several runs.

    changes: the words that change the config.
    seeds: of the runs.
    n: held-out lives in all.
    metric: the name of the scores.
    scores: of every row, with differences to the searched row.
    baseline: the tuned row that is best in this world; None where no tuned row has a score.
    better_by: how much better the searched row is than it, paired; positive is better.
    """

    changes: list[str]
    seeds: list[int]
    n: int
    metric: str
    scores: list[RowScore]
    baseline: str | None
    better_by: Difference | None


def cell(lived: Sequence[Lived], facts: Mapping[str, RowFacts], searched: str) -> Cell:
    """The cell of one world.

    Args:
        lived: of one run each, in the same world and metric.
        facts: {row: facts} of the runs.
        searched: the name of the searched row.
    """
    names = []
    for name in lived[0].rows:
        if all(name in each.rows for each in lived):
            names.append(name)
    values = {}
    for name in names:
        values[name] = [np.asarray(each.rows[name], np.float64) for each in lived]
    scores = table.scores(values, lived[0].metric, searched)
    seeds = [each.seed for each in lived]
    return cell_of_scores(lived[0].changes, seeds, scores, facts, searched)


def cell_of_scores(
    changes: Sequence[str],
    seeds: Sequence[int],
    scores: Sequence[RowScore],
    facts: Mapping[str, RowFacts],
    searched: str,
) -> Cell:
    """The cell of scores that are known.

    Args:
        changes: the words that change the config; empty for the world of the search.
        seeds: of the runs.
        scores: of every row, with differences to the searched row.
        facts: {row: facts} of the runs.
        searched: the name of the searched row.
    """
    best = _best_baseline(scores, facts, searched)
    baseline = None
    gain = None
    if best is not None:
        baseline = best.name
        gain = better_by(best)
    return Cell(
        changes=list(changes),
        seeds=list(seeds),
        n=next(score.n for score in scores if score.name == searched),
        metric=scores[0].metric,
        scores=list(scores),
        baseline=baseline,
        better_by=gain,
    )


def better_by(score: RowScore) -> Difference:
    """How much better the searched row is than a row: positive is better, in any metric."""
    difference = score.difference
    if score.metric != "accuracy":
        return difference
    low, high = difference.ci95
    return Difference(_negative(difference.mean), Bounds(_negative(high), _negative(low)))


def _negative(value: float | None) -> float | None:
    if value is None:
        return None
    return 0.0 - value


def _best_baseline(
    scores: Sequence[RowScore], facts: Mapping[str, RowFacts], searched: str
) -> RowScore | None:
    """The tuned row with the best mean in this world; None where no tuned row has a difference."""
    tuned = {}
    means = {}
    for score in scores:
        has_none = score.mean is None or score.difference.mean is None
        if score.name == searched or score.name not in facts or has_none:
            continue
        row = facts[score.name].row
        if isinstance(row, TrainedRow) and row.learned > 0:
            tuned[score.name] = score
            means[score.name] = float(score.mean or 0.0)
    if not tuned:
        return None
    return tuned[table.best(means, scores[0].metric)]


def cell_to_json(one: Cell) -> Plain:
    """The cell as inspect.json holds it."""
    plain = asdict(one)
    plain["scores"] = list(map(score_to_json, one.scores))
    return plain


def lived_to_json(lived: Lived) -> Plain:
    """The lives of a run as its file holds them: six digits, null where a life is not finite."""
    rows = {name: json_list(values) for name, values in lived.rows.items()}
    return {"schema": SCHEMA, **asdict(lived), "rows": rows}


def lived_from_json(plain: Any, where: str) -> Lived:
    """The inverse of `lived_to_json`. Raises: BadInput for data of another form."""
    return of_schema(Lived, SCHEMA, plain, where)
