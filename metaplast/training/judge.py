"""Whether a row's search did its work: judged against its own start, and against every row whose
family it contains.

A search over a family that contains another can at worst give that one's theta. Where it ends
below, the search failed, not the family, and nothing follows from the row's score.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from safetensors.numpy import load_file

from metaplast.results.statistics import student
from metaplast.results.summary import Verdict
from metaplast.runs.folder import row_folder
from metaplast.runs.job import Config, Job
from metaplast.settings.names import DISCOVERED

MARGIN = (
    0.01  # of accuracy; of another metric, as a share of what the contained row's search gained
)
LEVEL = 0.999  # of the paired t interval over lives
START = "start"
TRAINED, NOT_TRAINED, OVERFITTED = "trained", "not trained", "overfitted"


class Scores(NamedTuple):
    """Per-life values of one row in one metric: of its theta and of its start on validation lives,
    of its theta on held-out lives."""

    validation: np.ndarray
    start: np.ndarray
    heldout: np.ndarray

    @property
    def gained(self) -> float:
        return abs(float(self.validation.mean() - self.start.mean()))


class Shortfall(NamedTuple):
    """How far a row is below another, or its start: mean paired difference (row - other) in the
    metric and its interval; None where lives of the row are not finite and the other's are."""

    against: str
    difference: float | None
    interval: tuple[float, float] | None


def judge(run: Path, job: Job, nested: Mapping[str, Sequence[str]]) -> dict[str, Verdict | None]:
    """The verdict on every row of a finished run; None where nothing is learned, or its validation
    lives are unknown.

    nested: row -> the rows whose family it contains.
    not trained: on validation lives worse than its own start, beyond the paired 99.9 % t interval
    of differences per
        life; or worse than a row whose family it contains, beyond that and by more than MARGIN.
    overfitted: worse than such a row, by as much, on held-out lives alone.
    Accuracy is judged where every row reports it, else the loss.
    """
    stored = {name: _stored(row_folder(run, name)) for name, _ in job.rows}
    known = {name: found for name, found in stored.items() if found}
    metric = (
        "accuracy" if all("accuracy" in validation for validation, _ in known.values()) else "loss"
    )
    scores = {
        name: Scores(validation[metric], validation[f"start_{metric}"], heldout[metric])
        for name, (validation, heldout) in known.items()
    }
    verdicts: dict[str, Verdict | None] = {}
    for name, config in job.rows:
        if name in scores and _learns(row_folder(run, name)):
            others = {other: scores[other] for other in nested[name] if other in scores}
            verdicts[name] = _verdict(name, config, metric, scores[name], others)
        else:
            verdicts[name] = None
    return verdicts


def _verdict(
    name: str, config: Config, metric: str, mine: Scores, others: dict[str, Scores]
) -> Verdict:
    larger = metric == "accuracy"
    pairs = [(other, mine.validation, theirs.validation) for other, theirs in others.items()]
    below = [_shortfall(*pair, _margin(metric, others[pair[0]]), larger) for pair in pairs]
    below.append(_shortfall(START, mine.validation, mine.start, 0.0, larger))
    state, split, found = NOT_TRAINED, "validation", _worst(below)
    if found is None:
        pairs = [(other, mine.heldout, theirs.heldout) for other, theirs in others.items()]
        below = [_shortfall(*pair, _margin(metric, others[pair[0]]), larger) for pair in pairs]
        state, split, found = OVERFITTED, "heldout", _worst(below)
    if found is None:
        return Verdict(TRAINED, metric)
    return Verdict(
        state=state,
        metric=metric,
        split=split,
        against=found.against,
        difference=found.difference,
        interval=found.interval,
        do=_do(name, config, state, found.against),
    )


def _shortfall(
    against: str, mine: np.ndarray, theirs: np.ndarray, margin: float, larger_is_better: bool
) -> Shortfall | None:
    """None where `mine` is not below `theirs`. Lives that are not finite on either side are
    compared by their number alone."""
    if np.sum(~np.isfinite(mine)) > np.sum(~np.isfinite(theirs)):
        return Shortfall(against, None, None)
    both = np.isfinite(mine) & np.isfinite(theirs)
    if not both.any():
        return None
    mean, low, high, _ = student(np.asarray(mine[both], np.float64) - theirs[both], LEVEL)
    worse = mean < -margin and high < 0.0 if larger_is_better else mean > margin and low > 0.0
    return Shortfall(against, _short(mean), (_short(low), _short(high))) if worse else None


def _worst(found: Sequence[Shortfall | None]) -> Shortfall | None:
    below = [each for each in found if each]
    return max(
        below, key=lambda it: np.inf if it.difference is None else abs(it.difference), default=None
    )


def _margin(metric: str, theirs: Scores) -> float:
    return MARGIN if metric == "accuracy" else MARGIN * theirs.gained


def _do(name: str, config: Config, state: str, against: str) -> str:
    """What to try, in words."""
    smaller = (
        "a smaller outer.learning_rate"
        if "learning_rate" in config.outer.hyper()
        else "smaller outer steps"
    )
    more = (
        "more problem.n_tasks and evaluation.validation"
        if state == OVERFITTED
        else f"more outer.steps, {smaller}"
    )
    if against == START:
        return more
    if name == DISCOVERED:
        return f"{more}, or a row of the same family with from: {against}"
    return f"{more}, or rows: {{{name}: {{from: {against}}}}}"


def _stored(folder: Path) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]] | None:
    """(validation, held-out) lives of a row; None of a run older than the first."""
    file = folder / "validation.safetensors"
    return (load_file(file), load_file(folder / "lives.safetensors")) if file.is_file() else None


def _learns(folder: Path) -> bool:
    return any(numbers.size for numbers in load_file(folder / "theta.safetensors").values())


def _short(value: float) -> float:
    return float(f"{value:.6g}")
