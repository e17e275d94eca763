"""What a theta is worth on sessions, in deviance: of activity or choices, or of weights measured at the end."""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from metaplast.fitting.data import Data
from metaplast.fitting.deviance import deviances, r2
from metaplast.fitting.nulls import Null, history_glm, mean_null
from metaplast.fitting.predict import activity, final_weights
from metaplast.interfaces import SPLITS, Split
from metaplast.lifetime import Lifetime
from metaplast.recording import AbstractRecording, Session
from metaplast.signals import Theta


class Worth(NamedTuple):
    """deviance [n_sessions]; r2: of what was recorded, by what was expected."""

    deviance: np.ndarray
    r2: float


def worth(lifetime: Lifetime, theta: Theta, sessions: Session, seed: int) -> Worth:
    """Of a network that lives through the sessions under theta."""
    family: AbstractRecording = lifetime.task  # pyright: ignore[reportAssignmentType]
    if family.clamp:
        return of_weights(sessions, final_weights(lifetime, theta, sessions, seed))
    return of_activity(family, activity(lifetime, theta, sessions, seed), sessions)


def of_activity(family: AbstractRecording, predicted: np.ndarray, sessions: Session) -> Worth:
    expected = np.asarray(family.likelihood.mean(jnp.asarray(predicted, float)))
    found = deviances(family.likelihood, predicted, sessions)
    return Worth(found, r2(expected, np.asarray(sessions.target), np.asarray(sessions.observed)))


def of_weights(sessions: Session, predicted: dict[str, np.ndarray]) -> Worth:
    """Squared distance to the measured weights, summed over a session's synapses; R2 pooled over synapses."""
    total, error, values = np.zeros(len(sessions.subject)), 0.0, []
    for edge, measured in sessions.final.items():
        known = np.isfinite(measured)
        off = np.where(known, np.asarray(predicted[edge], np.float64) - np.where(known, measured, 0.0), 0.0)
        total += (off**2).reshape(len(total), -1).sum(axis=1)
        error += float((off**2).sum())
        values.append(np.asarray(measured, np.float64)[known])
    every = np.concatenate(values)
    spread = float(((every - every.mean()) ** 2).sum()) if every.size else 0.0
    return Worth(total, 1.0 - error / spread if spread > 0 else float("nan"))


def null_models(family: AbstractRecording, data: Data, lags: int) -> dict[str, tuple[str, dict[Split, Worth]]]:
    """{name: (what it is and saw, its worth on every split)}: fitted on the training trials alone.

    The null of no plasticity is not among them: it is a row of its own, whose initial weights are fitted like any
    other's.
    """
    if family.clamp:
        return _weight_nulls(data)
    train = data.sessions["train"]
    nulls: list[Null] = [mean_null(family.likelihood, train)]
    nulls.append(history_glm(family.likelihood, train, data.sessions["validation"], data.seen["train"], lags))
    return {
        null.name: (
            null.note,
            {s: of_activity(family, null.predict(data.sessions[s], data.seen[s]), data.sessions[s]) for s in SPLITS},
        )
        for null in nulls
    }


def _weight_nulls(data: Data) -> dict[str, tuple[str, dict[Split, Worth]]]:
    """Of measured weights: every synapse changes by the mean change; by a linear function of the two cells' rates."""
    train = data.sessions["train"]
    rates = {edge: _fit_rates(train, edge) for edge in train.final}

    def mean(s: Session) -> dict[str, np.ndarray]:
        return {e: np.asarray(s.weights[e]) + np.nanmean(train.final[e] - train.weights[e]) for e in s.final}

    def linear(s: Session) -> dict[str, np.ndarray]:
        return {e: np.asarray(s.weights[e]) + _rates(s) @ rates[e] for e in s.final}

    notes = {
        "mean": "every synapse changes by the mean change of the training sessions",
        "rates_glm": "the change is linear in both cells' spike counts and their product, fitted to training sessions",
    }
    made = {"mean": mean, "rates_glm": linear}
    return {
        name: (note, {s: of_weights(data.sessions[s], made[name](data.sessions[s])) for s in SPLITS})
        for name, note in notes.items()
    }


def _rates(s: Session) -> np.ndarray:
    """[n_sessions, n_post, n_pre, 4]: 1, counts of the two cells, and their product, in units of 10 spikes."""
    pre, post = 0.1 * np.asarray(s.stimulus).sum(axis=1), 0.1 * np.asarray(s.target).sum(axis=1)
    pre, post = np.broadcast_arrays(pre[:, None, :], post[:, :, None])
    return np.stack([np.ones_like(pre), pre, post, pre * post], axis=-1).astype(np.float64)


def _fit_rates(s: Session, edge: str) -> np.ndarray:
    change = np.asarray(s.final[edge] - s.weights[edge], np.float64)
    known = np.isfinite(change)
    return np.linalg.lstsq(_rates(s)[known], change[known], rcond=None)[0]
