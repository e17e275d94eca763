"""The result of a fit, from its fitted rows and the data: the content of fit.json."""

import logging
from dataclasses import replace
from typing import Any, NamedTuple

import jax
import numpy as np

from metaplast.fitting.advice import advice
from metaplast.fitting.certainty import Certainty, bootstrap_result, intervals_result
from metaplast.fitting.data import Data, n_values
from metaplast.fitting.data_reading import reading_of
from metaplast.fitting.deviance import difference_ci, explained_ci
from metaplast.fitting.doubts import OTHER_FORM, doubts, number_warnings
from metaplast.fitting.judgement import JudgedNull, Judgement, judged_nulls
from metaplast.fitting.numbers import numbers, true_numbers
from metaplast.fitting.predict import activity, weights_explained
from metaplast.fitting.recovery import recovered
from metaplast.fitting.result import (
    NO_PLASTICITY,
    Comparison,
    DataSummary,
    FitResult,
    FitScore,
    ModelAdvice,
    Noise,
    NullResult,
    PartComparison,
    PathPoint,
    Plain,
    RowResult,
    TermsPlace,
    TrueNumber,
    WeightScore,
)
from metaplast.fitting.row_problem import problem_of
from metaplast.fitting.rows import FittedRow, agreement
from metaplast.fitting.verdict import verdict
from metaplast.results.numbers import RoundedEstimate, json_number, rounded
from metaplast.rules.base import TermList
from metaplast.runs.job import Config, Job
from metaplast.settings.names import DISCOVERED
from metaplast.tasks import SPLITS, Split

log = logging.getLogger(__name__)


def result_of(
    job: Job, data: Data, rows: dict[str, FittedRow], certainty: Certainty, recover: Plain | None
) -> FitResult:
    """The result of a fit. Its warnings of meaningless numbers are logged too.

    Args:
        job: the configs of the rows.
        data: the sessions that they were fitted to.
        rows: {name: fitted row}.
        certainty: intervals and refits of the discovered row.
        recover: the part of the config that simulated the data, or None.

    Returns: the result with `wall_s` of 0.
    """
    family: Any = job.main.task
    nulls = judged_nulls(family, data, job.main.fit.lags)
    row_judgements = {}
    for name, row in rows.items():
        row_judgements[name] = row.judgements["heldout"]
    null_judgements = {}
    for name, null in nulls.items():
        null_judgements[name] = null.judgements["heldout"]
    comparisons = compare_with_nulls(row_judgements, null_judgements, data.subject["heldout"])
    row_results = {}
    for name, row in rows.items():
        row_results[name] = _row_result(job.row(name), row, data, comparisons.rows[name])
    null_results = {}
    for name, null in nulls.items():
        null_results[name] = _null_result(null, comparisons.nulls[name])
    intervals = intervals_result(certainty)
    for line in number_warnings(intervals):
        log.warning("%s", line)
    result = FitResult(
        experiment=job.main.experiment,
        seed=job.main.seed,
        data=data_summary(data),
        reading=reading_of(job),
        rows=row_results,
        nulls=null_results,
        intervals=intervals,
        bootstrap=bootstrap_result(certainty.refits, intervals),
        doubts=[],
        advice=_advice(job.main, rows[DISCOVERED], data),
        truth=None,
        recover=recover,
        terms=terms_place(job.main),
        verdict=[],
        wall_s=0.0,
    )
    result = replace(result, truth=_truth(result, data))
    reasons = doubts(result)
    if data.source is not None and result.truth is None:
        reasons.append(OTHER_FORM)
    result = replace(result, doubts=reasons)
    return replace(result, verdict=verdict(result))


def terms_place(config: Config) -> TermsPlace:
    """The place of the terms that a config searches, for fit.json."""
    slots = config.slots()
    if len(slots) != 1:
        return TermsPlace("")
    slot = slots[0]
    if not isinstance(slot.rule, TermList) or not slot.rule.learns_coefficients:
        return TermsPlace("")
    path = "rule"
    if config.rule is None:
        path = f"rules.{slot.name}.rule"
    return TermsPlace(path, bool(slot.rule.initial))


class Comparisons(NamedTuple):
    """{name: comparison} of the rows and of the null models."""

    rows: dict[str, Comparison]
    nulls: dict[str, Comparison]


def compare_with_nulls(
    rows: dict[str, Judgement], nulls: dict[str, Judgement], subject: np.ndarray
) -> Comparisons:
    """Compare every row and null with every null on held-out sessions.

    The row without plasticity is one of the nulls. Where activity and choice are judged, each part
    is compared on its own too.

    Args:
        rows: {name: judgement of the row}, the discovered one among them.
        nulls: {name: judgement of the null}; leads are against the first.
        subject: the subject of every session [n_sessions].
    """
    opponents = dict(nulls)
    if NO_PLASTICITY in rows:
        opponents[NO_PLASTICITY] = rows[NO_PLASTICITY]
    main = rows[DISCOVERED]

    def compared(model: Judgement) -> Comparison:
        parts = {}
        for name in main.parts:
            opponent_parts = {null: other.parts[name] for null, other in opponents.items()}
            part = model.parts[name]
            parts[name] = PartComparison(
                explained=_explained(part, opponent_parts, subject),
                lead=_lead(part, main.parts[name], opponent_parts, subject),
                r2=json_number(part.r2),
            )
        return Comparison(
            explained=_explained(model, opponents, subject),
            lead=_lead(model, main, opponents, subject),
            parts=parts,
        )

    comparisons = Comparisons({}, {})
    for name, row in rows.items():
        comparisons.rows[name] = compared(row)
    for name, null in nulls.items():
        comparisons.nulls[name] = compared(null)
    return comparisons


def _explained(
    model: Judgement, nulls: dict[str, Judgement], subject: np.ndarray
) -> dict[str, RoundedEstimate]:
    """{null: share of its deviance that the model explains}."""
    shares = {}
    for name, null in nulls.items():
        shares[name] = rounded(explained_ci(model.deviance, null.deviance, subject))
    return shares


def _lead(
    model: Judgement, main: Judgement, nulls: dict[str, Judgement], subject: np.ndarray
) -> RoundedEstimate:
    """The explained deviance of the model minus that of the main row, against the first null."""
    first = next(iter(nulls.values()))
    return rounded(difference_ci(model.deviance, main.deviance, first.deviance, subject))


def data_summary(data: Data) -> DataSummary:
    """The amount of data, and which of them are held out."""
    sessions = {}
    values = {}
    for split in SPLITS:
        sessions[split] = len(data.subject[split])
        values[split] = round(n_values(data.sessions[split]), 3)
    heldout = np.setdiff1d(data.subject["heldout"], data.subject["train"])
    by = "trials"
    if len(heldout):
        by = "subjects"
    return DataSummary(
        subjects=len(data.names),
        sessions=sessions,
        values=values,
        heldout_subjects=[data.names[int(index)] for index in heldout],
        heldout_by=by,
    )


def scores_of(judgements: dict[Split, Judgement]) -> dict[Split, FitScore]:
    """The scores of every split, for fit.json."""
    scores = {}
    for split, judgement in judgements.items():
        scores[split] = _score(judgement)
    return scores


def _score(judgement: Judgement) -> FitScore:
    """A judgement summed over sessions, for fit.json."""
    deviance = json_number(float(judgement.deviance.sum()))
    parts = {}
    for name, part in judgement.parts.items():
        parts[name] = _score(part)
    return FitScore(deviance, json_number(judgement.r2), parts)


def _null_result(null: JudgedNull, comparison: Comparison) -> NullResult:
    """The result of one null model."""
    return NullResult(null.note, scores_of(null.judgements), comparison)


def _row_result(config: Config, row: FittedRow, data: Data, comparison: Comparison) -> RowResult:
    """The result of one row."""
    problem = problem_of(config)
    values = {}
    if problem.lifetime.slots:
        values = numbers(problem.lifetime, row.theta)
    learned = 0
    if jax.tree.leaves(row.theta):
        learned = int(sum(np.sum(leaf) for leaf in jax.tree.leaves(row.mask)))
    fits = list(row.starts)
    steps = 0
    stable = True
    loss = None
    if row.last is not None:
        fits.append(row.last)
        steps = row.last.steps
        stable = row.last.stable
        loss = json_number(row.last.loss)
    kept = {}
    for name, value in values.items():
        if value != 0.0:
            kept[name] = json_number(value)
    return RowResult(
        note=config.note,
        learned=learned,
        searched=sorted(values),
        numbers=kept,
        noise=_noise(config, row),
        steps=steps,
        stable=stable,
        loss=loss,
        diverged=sum(fit.diverged for fit in fits),
        starts=agreement(problem, row),
        path=_path(row),
        splits=scores_of(row.judgements),
        weights=_weight_scores(config, row, data),
        comparison=comparison,
    )


def _path(row: FittedRow) -> list[PathPoint]:
    """The sets of terms that were tried."""
    points = []
    for index, option in enumerate(row.path):
        points.append(
            PathPoint(
                strength=option.strength,
                n_terms=option.n_terms,
                deviance=json_number(option.deviance),
                error=json_number(option.error),
                chosen=index == row.at,
            )
        )
    return points


def _weight_scores(config: Config, row: FittedRow, data: Data) -> dict[str, WeightScore]:
    """{edge: R2 of its held-out weights} where the data are simulated."""
    lifetime = problem_of(config).lifetime
    if data.source is None or not lifetime.slots:
        return {}
    explained = weights_explained(
        data.source, lifetime, row.theta, data.sessions["heldout"], config.seed
    )
    scores = {}
    for edge, weight_r2 in explained.items():
        scores[edge] = WeightScore(json_number(weight_r2.weights), json_number(weight_r2.changes))
    return scores


def _noise(config: Config, row: FittedRow) -> Noise | None:
    """The noise of activity where it is judged beside choices, and its likelihood has an sd."""
    if not row.judgements["train"].parts:
        return None
    family: Any = config.task
    sd = getattr(family.parts()[0].likelihood, "sd", None)
    if sd is not None:
        return Noise(sd, json_number(row.residual_sd))
    return None


def _advice(config: Config, row: FittedRow, data: Data) -> list[ModelAdvice]:
    """The changes that the residuals of a row ask for; none where measured weights are judged."""
    if getattr(config.task, "clamp", False):
        return []
    lifetime = problem_of(config).lifetime
    train = data.sessions["train"]
    predicted = activity(lifetime, row.theta, train, config.seed)
    changes = []
    for change in advice(lifetime, predicted, train):
        share = None
        if change.share is not None:
            share = json_number(change.share)
        changes.append(replace(change, share=share))
    return changes


def _truth(result: FitResult, data: Data) -> list[TrueNumber] | None:
    """The true numbers beside the fitted ones, where the rule searched can be the true one."""
    if data.source is None:
        return None
    row = result.discovered
    true = true_numbers(data.source.lifetime)
    at_random = any(np.any(leaf) for leaf in jax.tree.leaves(data.source.theta["rules"]))
    if not true or not set(true) <= set(row.searched) or at_random:
        return None
    fitted = {}
    for name, value in row.numbers.items():
        if value is not None:
            fitted[name] = value
    return recovered(true, fitted, result.number_bounds)
