"""The verdict on the search of a row.

A row is compared with its start, and with every row whose family it contains. A perfect search in a
family never ends below a row whose family it contains, because it could take the theta of that row.
Where a row ends below, its search failed, and its score says nothing of its family.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from metaplast.results.statistics import student
from metaplast.results.summary import Verdict
from metaplast.runs import row_files
from metaplast.runs.folder import row_folder
from metaplast.runs.job import Config, Job
from metaplast.settings.names import DISCOVERED

MARGIN = 0.01
"""The tolerated shortfall in accuracy.

In another metric it is this share of the gain of the contained row's search.
"""
LEVEL = 0.999
"""The level of the paired t interval over lives."""
START = "start"
TRAINED = "trained"
NOT_TRAINED = "not trained"
OVERFITTED = "overfitted"


class Scores(NamedTuple):
    """The values of one row in one metric, one per life.

    validation: the chosen theta on validation lives.
    start: theta at the start on validation lives.
    heldout: the chosen theta on held-out lives.
    """

    validation: np.ndarray
    start: np.ndarray
    heldout: np.ndarray

    @property
    def gained(self) -> float:
        """The gain of the search on validation lives."""
        return abs(float(self.validation.mean() - self.start.mean()))


class Shortfall(NamedTuple):
    """A row that is below another row or below its start.

    `difference` and `interval` are None where more lives of the row than of the other are not
    finite.

    against: the other row, or START.
    difference: mean paired difference (row - other) in the metric.
    interval: interval of the difference.
    """

    against: str
    difference: float | None
    interval: tuple[float, float] | None


def judge(run: Path, job: Job, nested: Mapping[str, Sequence[str]]) -> dict[str, Verdict | None]:
    """The verdict on every row of a finished run.

    A row is not trained where it is worse than its start on validation lives, beyond the paired
    99.9 % t interval of differences per life. It is also not trained where it is worse than a row
    whose family it contains, beyond that interval and by more than MARGIN. It is overfitted where
    it is worse than such a row, by as much, on held-out lives alone. The metric is accuracy where
    every row reports it, else the loss.

    Args:
        run: the folder of the run.
        job: its rows.
        nested: {row: rows whose family it contains}.

    Returns: {row: verdict}. The verdict is None for a row that learns nothing, and for a row
        without values on validation lives.
    """
    stored = {}
    for name, _ in job.rows:
        lives = _stored(row_folder(run, name))
        if lives:
            stored[name] = lives
    reports_accuracy = all("accuracy" in lives.validation for lives in stored.values())
    metric = "accuracy" if reports_accuracy else "loss"
    scores = {}
    for name, lives in stored.items():
        scores[name] = Scores(
            validation=lives.validation[metric],
            start=lives.validation[f"start_{metric}"],
            heldout=lives.heldout[metric],
        )
    verdicts: dict[str, Verdict | None] = {}
    for name, config in job.rows:
        if name in scores and _learns(row_folder(run, name)):
            others = {}
            for other in nested[name]:
                if other in scores:
                    others[other] = scores[other]
            verdicts[name] = _verdict(name, config, metric, scores[name], others)
        else:
            verdicts[name] = None
    return verdicts


def _verdict(
    name: str, config: Config, metric: str, mine: Scores, others: dict[str, Scores]
) -> Verdict:
    """The verdict on one row.

    Args:
        name: the name of the row.
        config: its config.
        metric: accuracy or loss.
        mine: its scores.
        others: {row: scores} of the rows whose family it contains.
    """
    larger_is_better = metric == "accuracy"
    margins = {}
    for other, scores in others.items():
        margins[other] = _margin(metric, scores)
    state = NOT_TRAINED
    split = "validation"
    on_validation = []
    for other, scores in others.items():
        on_validation.append(
            _shortfall(other, mine.validation, scores.validation, margins[other], larger_is_better)
        )
    on_validation.append(_shortfall(START, mine.validation, mine.start, 0.0, larger_is_better))
    worst = _worst(on_validation)
    if worst is None:
        state = OVERFITTED
        split = "heldout"
        on_heldout = []
        for other, scores in others.items():
            on_heldout.append(
                _shortfall(other, mine.heldout, scores.heldout, margins[other], larger_is_better)
            )
        worst = _worst(on_heldout)
    if worst is None:
        return Verdict(TRAINED, metric)
    return Verdict(
        state=state,
        metric=metric,
        split=split,
        against=worst.against,
        difference=worst.difference,
        interval=worst.interval,
        do=_remedy(name, config, state, worst.against),
    )


def _shortfall(
    against: str, mine: np.ndarray, other: np.ndarray, margin: float, larger_is_better: bool
) -> Shortfall | None:
    """The shortfall of a row against another; None where it has none.

    Lives that are not finite in one of the two rows count by their number alone.

    Args:
        against: the name of the other row, or START.
        mine: values of the row, one per life.
        other: values of the other row on the same lives.
        margin: the tolerated shortfall.
        larger_is_better: whether a larger value is better.
    """
    if np.sum(~np.isfinite(mine)) > np.sum(~np.isfinite(other)):
        return Shortfall(against, None, None)
    both = np.isfinite(mine) & np.isfinite(other)
    if not both.any():
        return None
    mean, low, high, _ = student(np.asarray(mine[both], np.float64) - other[both], LEVEL)
    is_below = mean < -margin and high < 0.0
    is_above = mean > margin and low > 0.0
    is_short = is_below if larger_is_better else is_above
    if not is_short:
        return None
    return Shortfall(against, _six_digits(mean), (_six_digits(low), _six_digits(high)))


def _worst(shortfalls: Sequence[Shortfall | None]) -> Shortfall | None:
    """The largest shortfall; one without a difference is the largest."""

    def size(shortfall: Shortfall) -> float:
        if shortfall.difference is None:
            return np.inf
        return abs(shortfall.difference)

    return max(filter(None, shortfalls), key=size, default=None)


def _margin(metric: str, other: Scores) -> float:
    return MARGIN if metric == "accuracy" else MARGIN * other.gained


def _remedy(name: str, config: Config, state: str, against: str) -> str:
    """The remedy for a search that failed, in words."""
    if state == OVERFITTED:
        remedy = "more problem.n_tasks and evaluation.validation"
    elif "learning_rate" in config.outer.hyper():
        remedy = "more outer.steps, a smaller outer.learning_rate"
    else:
        remedy = "more outer.steps, smaller outer steps"
    if against == START:
        return remedy
    if name == DISCOVERED:
        return f"{remedy}, or a row of the same family with from: {against}"
    return f"{remedy}, or rows: {{{name}: {{from: {against}}}}}"


class _StoredLives(NamedTuple):
    """The stored values of a row, {metric: values}, one per life.

    validation: on validation lives; `start_...` for theta at the start.
    heldout: on held-out lives.
    """

    validation: dict[str, np.ndarray]
    heldout: dict[str, np.ndarray]


def _stored(folder: Path) -> _StoredLives | None:
    """The stored values of a row; None in a run of a version that stored no validation lives."""
    file = folder / row_files.VALIDATION
    if not file.is_file():
        return None
    return _StoredLives(
        row_files.read_arrays(file), row_files.read_arrays(folder / row_files.LIVES)
    )


def _learns(folder: Path) -> bool:
    """Whether the theta of a row holds numbers."""
    theta = row_files.read_arrays(folder / row_files.THETA)
    return any(numbers.size for numbers in theta.values())


def _six_digits(value: float) -> float:
    return float(f"{value:.6g}")
