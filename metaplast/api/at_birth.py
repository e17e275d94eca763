"""The score at birth and after learning, from Python."""

from collections.abc import Sequence
from os import PathLike
from typing import Any

from metaplast.api.carrying import precision_kept
from metaplast.api.checks import name_of, whole
from metaplast.api.run import Run
from metaplast.api.words import words_of
from metaplast.inspection.innate import Innate
from metaplast.registry import BadInput
from metaplast.reuse import html
from metaplast.training.at_birth import judged_at_birth, text_of


class InnateScores:
    """Rows judged at birth and after learning.

    metric: the name of the score.
    rows: {row: `at_birth`, `learned`, `gain`, `chance`, `share`}, with intervals.
    text: what `metaplast eval --innate` prints.
    """

    def __init__(self, metric: str, rows: dict[str, Innate], text: str) -> None:
        """Hold the scores."""
        self.metric = metric
        self.rows = rows
        self.text = text

    def __repr__(self) -> str:
        return self.text

    def _repr_html_(self) -> str:
        return html.formula(self.text)


def innate(
    rule: str | PathLike[str] | Run,
    experiment: str | None = None,
    *,
    rows: Sequence[str] = (),
    lives: int = 1024,
    **words: Any,
) -> InnateScores:
    """Judge a rule at birth, with plasticity off, and after learning, on the same held-out lives.

    It does what `metaplast eval RULE --innate` does.

        mp.innate("zoo/readout", "readout", lives=64).rows["discovered"].share

    Args:
        rule: a finished run, the folder of one, the path of a rule file, or `zoo/NAME`.
        experiment: the experiment whose task a rule file lives in; None: that of the run.
        rows: rows of a run that are judged beside `discovered`; empty: every trained row.
        lives: held-out lives of each run.
        words: config words, as in `train`.

    Raises: BadInput for a bad rule file, an unfinished run, and words that do not compose.
    """
    if isinstance(rows, str):
        raise BadInput(f"rows={rows!r}", "a list of rows", "put it into brackets")
    name = str(rule.alone()) if isinstance(rule, Run) else name_of(rule)
    lives = whole("lives", lives, 1)
    with precision_kept():
        judged = judged_at_birth([name], words_of(experiment, words), lives, rows)
    return InnateScores(judged.metric, judged.rows, text_of(judged))
