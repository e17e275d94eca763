"""Finished runs of one setting taken together."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from metaplast.registry import BadInput
from metaplast.results import table
from metaplast.results.summary import GapClosed, RowScore
from metaplast.results.table import RowFacts
from metaplast.runs.job import read_job
from metaplast.runs.same_setting import runs_by_setting
from metaplast.settings.names import DISCOVERED
from metaplast.training import row_words
from metaplast.training.summary import gap_closed, lives, read_summary


class Pool(NamedTuple):
    """One run, or several that differ in their seed.

    metric: the metric of the scores.
    scores: of every row, with intervals over runs.
    facts: {row: facts} of all runs.
    gap: the closed gap; None where it is not defined.
    means: {row: its mean in each run}.
    words: a line for every search that needs one.
    dt: a line on the effect of half of dt; [] where that was not measured.
    """

    metric: str
    scores: list[RowScore]
    facts: dict[str, RowFacts]
    gap: GapClosed | None
    means: dict[str, list[float]]
    words: list[str]
    dt: list[str]


def pool(runs: Sequence[Path]) -> Pool:
    """The pool of finished runs, with t intervals over runs (splits).

    Raises: BadInput for an unfinished run, runs of several settings, or a seed that is there twice.
    """
    runs = list(runs)
    other_settings = list(runs_by_setting(runs))[1:]
    if other_settings:
        raise BadInput(
            f"runs that differ in {other_settings[0]}",
            "runs that differ in their seed",
            "take them one by one",
        )
    summaries = []
    for run in runs:
        summaries.append(read_summary(run))
    seeds = [summary.seed for summary in summaries]
    if len(set(seeds)) < len(seeds):
        raise BadInput(
            f"{len(runs)} runs of seeds {seeds}", "distinct seeds", "name every run once"
        )
    names = [score.name for score in summaries[0].scores]
    values = lives(runs, names)
    facts = row_words.over_runs(summaries)
    rows = {name: of_row.row for name, of_row in facts.items()}
    means = {}
    for name, lives_of_runs in values.rows.items():
        means[name] = []
        for each in lives_of_runs:
            means[name].append(float(each.mean()))
    return Pool(
        metric=values.metric,
        scores=table.scores(values.rows, values.metric, DISCOVERED),
        facts=facts,
        gap=gap_closed(read_job(runs[0]), values, rows),
        means=means,
        words=row_words.lines(summaries, facts),
        dt=row_words.on_dt(summaries),
    )
