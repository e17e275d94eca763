"""A small sound result of a fit, for tests that change one thing in it."""

from dataclasses import replace
from typing import Any

from metaplast.fitting.result import (
    BootstrapResult,
    Comparison,
    DataReading,
    DataSummary,
    FitResult,
    FitScore,
    IntervalsResult,
    NullResult,
    RowResult,
    StartAgreement,
)
from metaplast.results.numbers import Bounds, RoundedEstimate
from metaplast.tasks import SPLITS

AGREED = StartAgreement(n=3, same=3, spread=0.0)
NO_LEAD = RoundedEstimate(0.0, Bounds(0.0, 0.0), 5)
SCORES = {split: FitScore(1.0, 0.5) for split in SPLITS}


def share(mean: float | None, low: float | None, high: float | None, n: int = 5) -> RoundedEstimate:
    return RoundedEstimate(mean, Bounds(low, high), n)


def row_result(
    explained: dict[str, RoundedEstimate] | None = None,
    lead: RoundedEstimate = NO_LEAD,
    **changes: Any,
) -> RowResult:
    """A row with three numbers searched, one of them kept, at rest and better than the mean."""
    if explained is None:
        explained = {"mean": share(0.5, 0.4, 0.6)}
    row = RowResult(
        note="",
        learned=1,
        searched=["a", "b", "c"],
        numbers={"a": 1.0},
        noise=None,
        steps=50,
        stable=True,
        loss=0.3,
        diverged=0,
        starts=AGREED,
        path=[],
        splits=SCORES,
        weights={},
        comparison=Comparison(explained, lead),
    )
    return replace(row, **changes)


def null_result(heldout: float | None) -> NullResult:
    """A null model that leaves this deviance on held-out data."""
    splits = {**SCORES, "heldout": FitScore(heldout, None)}
    return NullResult("", splits, Comparison({}, NO_LEAD))


def bootstrap_result(**changes: Any) -> BootstrapResult:
    return replace(BootstrapResult(refits=200, ci95={}, directions=[]), **changes)


def intervals_result(**changes: Any) -> IntervalsResult:
    """Intervals over subjects of a rule without numbers."""
    intervals = IntervalsResult(
        over="subjects",
        n=6,
        ci95={},
        open=[],
        settled=[],
        separated=[],
        condition=None,
        directions=[],
        why="",
    )
    return replace(intervals, **changes)


def fit_result(
    row: RowResult | None = None, families: dict[str, RowResult] | None = None, **changes: Any
) -> FitResult:
    """A fit of one row, and of other families where they are given."""
    fit = FitResult(
        experiment="fit",
        seed=0,
        data=DataSummary(
            subjects=5,
            sessions=dict.fromkeys(SPLITS, 5),
            values=dict.fromkeys(SPLITS, 100.0),
            heldout_subjects=["s"],
            heldout_by="subjects",
        ),
        reading=DataReading([], []),
        rows={"discovered": row or row_result(), **(families or {})},
        nulls={},
        intervals=None,
        bootstrap=bootstrap_result(),
        doubts=[],
        advice=[],
        truth=None,
        recover=None,
        verdict=[],
        wall_s=1.0,
    )
    return replace(fit, **changes)
