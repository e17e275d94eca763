"""The judgement of a theta or a null model on sessions, as deviance.

Judged are activity and choices, or the weights that were measured at the end.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from metaplast.fitting.data import Data, recording_of
from metaplast.fitting.deviance import deviances, r2
from metaplast.fitting.nulls import Null, history_glm, mean_null
from metaplast.fitting.predict import activity, final_weights
from metaplast.life.lifetime import Lifetime
from metaplast.likelihoods.base import Part
from metaplast.recording import AbstractRecording, Session
from metaplast.signals import Theta
from metaplast.tasks import SPLITS, Split

PER_SPIKE = 0.1  # counts of the linear null are in units of 10 spikes


class Judgement(NamedTuple):
    """The judgement of predictions for sessions.

    deviance [n_sessions].
    r2: of the recorded values, by the expected ones; of activity where both parts are judged.
    parts: {`activity` or `choice`: its judgement} where both are judged, else empty.
    """

    deviance: np.ndarray
    r2: float
    parts: "dict[str, Judgement]" = {}  # noqa: RUF012  (never changed)


class JudgedNull(NamedTuple):
    """A null model: its description, and its judgement on every split."""

    note: str
    judgements: dict[Split, Judgement]


def judge(lifetime: Lifetime, theta: Theta, sessions: Session, seed: int) -> Judgement:
    """Judge a network that lives through the sessions under theta."""
    family = recording_of(lifetime)
    if family.clamp:
        return judge_weights(sessions, final_weights(lifetime, theta, sessions, seed))
    return judge_activity(family, activity(lifetime, theta, sessions, seed), sessions)


def judge_activity(
    family: AbstractRecording, predicted: np.ndarray, sessions: Session
) -> Judgement:
    """Judge predicted activity [n_sessions, n_steps, n_seen], part by part where there are two."""
    parts = {}
    for part in family.parts():
        parts[part.name] = _judge_part(part, predicted, sessions)
    first, *others = parts.values()
    if not others:
        return first
    total = first.deviance
    for part in others:
        total = total + part.deviance
    return Judgement(total, first.r2, parts)


def _judge_part(part: Part, predicted: np.ndarray, sessions: Session) -> Judgement:
    """Judge the columns of one part."""
    columns = predicted[..., part.columns]
    recorded = only_columns(sessions, part.columns)
    expected = np.asarray(part.likelihood.mean(jnp.asarray(columns, float)))
    explained = r2(expected, np.asarray(recorded.target), np.asarray(recorded.observed))
    return Judgement(deviances(part.likelihood, columns, recorded), explained)


def judge_weights(sessions: Session, predicted: dict[str, np.ndarray]) -> Judgement:
    """Judge predicted weights {edge: [n_sessions, its layout]} against the measured ones.

    The deviance is the squared distance, summed over the synapses of a session. R2 is pooled over
    synapses.
    """
    deviance = np.zeros(len(sessions.subject))
    error = 0.0
    measurements = []
    for edge, measured in sessions.final.items():
        known = np.isfinite(measured)
        away = np.asarray(predicted[edge], np.float64) - np.where(known, measured, 0.0)
        away = np.where(known, away, 0.0)
        deviance += (away**2).reshape(len(deviance), -1).sum(axis=1)
        error += float((away**2).sum())
        measurements.append(np.asarray(measured, np.float64)[known])
    values = np.concatenate(measurements)
    r2 = float("nan")
    if values.size:
        spread = float(((values - values.mean()) ** 2).sum())
        if spread > 0:
            r2 = 1.0 - error / spread
    return Judgement(deviance, r2)


def judged_nulls(family: AbstractRecording, data: Data, lags: int) -> dict[str, JudgedNull]:
    """{name: null model}, each fitted to the training trials alone.

    The null of no plasticity is not among them. It is a row of its own, whose initial weights are
    fitted like those of any other row.

    Args:
        family: the recording.
        data: its sessions.
        lags: steps of the past that the generalised linear model sees.
    """
    if family.clamp:
        return _weight_nulls(data)
    train = data.sessions["train"]
    validation = data.sessions["validation"]
    seen = data.seen["train"]

    def mean(part: Part) -> Null:
        return mean_null(part.likelihood, only_columns(train, part.columns))

    def history(part: Part) -> Null:
        return history_glm(
            part.likelihood,
            only_columns(train, part.columns),
            only_columns(validation, part.columns),
            seen[..., part.columns],
            lags,
        )

    judged = {}
    for make in (mean, history):
        null = side_by_side(family.parts(), make)
        judgements: dict[Split, Judgement] = {}
        for split in SPLITS:
            sessions = data.sessions[split]
            predicted = null.predict(sessions, data.seen[split])
            judgements[split] = judge_activity(family, predicted, sessions)
        judged[null.name] = JudgedNull(null.note, judgements)
    return judged


def only_columns(sessions: Session, columns: slice) -> Session:
    """The sessions with some columns of their recorded values."""
    return replace(
        sessions,
        target=sessions.target[..., columns],
        observed=sessions.observed[..., columns],
    )


def side_by_side(parts: tuple[Part, ...], make: Callable[[Part], Null]) -> Null:
    """One null of the nulls of all parts.

    Each knows nothing of the other parts, as if its part were fitted alone.
    """
    nulls = []
    for part in parts:
        nulls.append(make(part))
    if len(nulls) == 1:
        return nulls[0]

    def predict(session: Session, seen: np.ndarray) -> np.ndarray:
        columns = []
        for null, part in zip(nulls, parts, strict=True):
            part_session = only_columns(session, part.columns)
            columns.append(null.predict(part_session, seen[..., part.columns]))
        return np.concatenate(columns, axis=-1)

    notes = [f"Of {part.name}: {null.note}" for null, part in zip(nulls, parts, strict=True)]
    return Null(nulls[0].name, " ".join(notes), predict)


def _weight_nulls(data: Data) -> dict[str, JudgedNull]:
    """The nulls of measured weights.

    mean: every synapse changes by the mean change.
    rates_glm: the change is linear in the rates of the two cells.
    """
    train = data.sessions["train"]
    coefficients = {}
    for edge in train.final:
        coefficients[edge] = _fit_rates(train, edge)

    def mean(sessions: Session) -> dict[str, np.ndarray]:
        predicted = {}
        for edge in sessions.final:
            change = np.nanmean(train.final[edge] - train.weights[edge])
            predicted[edge] = np.asarray(sessions.weights[edge]) + change
        return predicted

    def linear(sessions: Session) -> dict[str, np.ndarray]:
        predicted = {}
        for edge in sessions.final:
            change = _rates(sessions) @ coefficients[edge]
            predicted[edge] = np.asarray(sessions.weights[edge]) + change
        return predicted

    def judged(note: str, predict: Callable[[Session], dict[str, np.ndarray]]) -> JudgedNull:
        judgements: dict[Split, Judgement] = {}
        for split in SPLITS:
            sessions = data.sessions[split]
            judgements[split] = judge_weights(sessions, predict(sessions))
        return JudgedNull(note, judgements)

    return {
        "mean": judged("every synapse changes by the mean change of the training sessions", mean),
        "rates_glm": judged(
            "the change is linear in both cells' spike counts and their product, fitted to "
            "training sessions",
            linear,
        ),
    }


def _rates(sessions: Session) -> np.ndarray:
    """[n_sessions, n_post, n_pre, 4]: 1, the two cells' spike counts, and their product.

    Counts are in units of 10 spikes.
    """
    pre = PER_SPIKE * np.asarray(sessions.stimulus).sum(axis=1)
    post = PER_SPIKE * np.asarray(sessions.target).sum(axis=1)
    pre, post = np.broadcast_arrays(pre[:, None, :], post[:, :, None])
    return np.stack([np.ones_like(pre), pre, post, pre * post], axis=-1).astype(np.float64)


def _fit_rates(sessions: Session, edge: str) -> np.ndarray:
    """The least-squares coefficients [4] of the changes of one edge on `_rates`."""
    change = np.asarray(sessions.final[edge] - sessions.weights[edge], np.float64)
    known = np.isfinite(change)
    return np.linalg.lstsq(_rates(sessions)[known], change[known], rcond=None)[0]
