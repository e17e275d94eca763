"""What a theta is worth on sessions, in deviance: of activity or choices, or of weights measured at
the end.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from metaplast.fitting.data import Data
from metaplast.fitting.deviance import deviances, r2
from metaplast.fitting.nulls import Null, history_glm, mean_null
from metaplast.fitting.predict import activity, final_weights
from metaplast.life.lifetime import Lifetime
from metaplast.likelihoods.base import Part
from metaplast.recording import AbstractRecording, Session
from metaplast.signals import Theta
from metaplast.tasks import SPLITS, Split


class Worth(NamedTuple):
    """deviance [n_sessions]; r2: of what was recorded, by what was expected. parts: of activity and
    of choice, where both are judged; r2 is then that of the activity."""

    deviance: np.ndarray
    r2: float
    parts: "dict[str, Worth]" = {}  # noqa: RUF012  (never changed)


def worth(lifetime: Lifetime, theta: Theta, sessions: Session, seed: int) -> Worth:
    """Of a network that lives through the sessions under theta."""
    family: AbstractRecording = lifetime.task  # pyright: ignore[reportAssignmentType]
    if family.clamp:
        return of_weights(sessions, final_weights(lifetime, theta, sessions, seed))
    return of_activity(family, activity(lifetime, theta, sessions, seed), sessions)


def of_activity(family: AbstractRecording, predicted: np.ndarray, sessions: Session) -> Worth:
    found = {part.name: _of_part(part, predicted, sessions) for part in family.parts()}
    first, *others = found.values()
    return (
        Worth(sum((w.deviance for w in others), first.deviance), first.r2, found)
        if others
        else first
    )


def _of_part(part: Part, predicted: np.ndarray, sessions: Session) -> Worth:
    mine, seen = predicted[..., part.columns], cut(sessions, part.columns)
    expected = np.asarray(part.likelihood.mean(jnp.asarray(mine, float)))
    found = deviances(part.likelihood, mine, seen)
    return Worth(found, r2(expected, np.asarray(seen.target), np.asarray(seen.observed)))


def of_weights(sessions: Session, predicted: dict[str, np.ndarray]) -> Worth:
    """Squared distance to the measured weights, summed over a session's synapses; R2 pooled over
    synapses.
    """
    total, error, values = np.zeros(len(sessions.subject)), 0.0, []
    for edge, measured in sessions.final.items():
        known = np.isfinite(measured)
        off = np.where(
            known, np.asarray(predicted[edge], np.float64) - np.where(known, measured, 0.0), 0.0
        )
        total += (off**2).reshape(len(total), -1).sum(axis=1)
        error += float((off**2).sum())
        values.append(np.asarray(measured, np.float64)[known])
    every = np.concatenate(values)
    spread = float(((every - every.mean()) ** 2).sum()) if every.size else 0.0
    return Worth(total, 1.0 - error / spread if spread > 0 else float("nan"))


def null_models(
    family: AbstractRecording, data: Data, lags: int
) -> dict[str, tuple[str, dict[Split, Worth]]]:
    """{name: (what it is and saw, its worth on every split)}: fitted on the training trials alone.

    The null of no plasticity is not among them: it is a row of its own, whose initial weights are
    fitted like any other's.
    """
    if family.clamp:
        return _weight_nulls(data)
    train, validation, seen = (
        data.sessions["train"],
        data.sessions["validation"],
        data.seen["train"],
    )
    parts = family.parts()
    nulls = [
        by_part(parts, lambda p: mean_null(p.likelihood, cut(train, p.columns))),
        by_part(
            parts,
            lambda p: history_glm(
                p.likelihood,
                cut(train, p.columns),
                cut(validation, p.columns),
                seen[..., p.columns],
                lags,
            ),
        ),
    ]
    return {
        null.name: (
            null.note,
            {
                s: of_activity(
                    family, null.predict(data.sessions[s], data.seen[s]), data.sessions[s]
                )
                for s in SPLITS
            },
        )
        for null in nulls
    }


def cut(sessions: Session, columns: slice) -> Session:
    """The sessions with some columns of what was recorded."""
    mine = {name: getattr(sessions, name)[..., columns] for name in ("target", "observed")}
    return replace(sessions, **mine)


def by_part(parts: tuple[Part, ...], made: Callable[[Part], Null]) -> Null:
    """A null of every part side by side; each knows nothing of the other parts, as where that part
    is fitted alone.
    """
    nulls = [made(part) for part in parts]
    if len(nulls) == 1:
        return nulls[0]

    def predict(session: Session, seen: np.ndarray) -> np.ndarray:
        each = [
            null.predict(cut(session, part.columns), seen[..., part.columns])
            for null, part in zip(nulls, parts, strict=True)
        ]
        return np.concatenate(each, axis=-1)

    note = " ".join(f"Of {part.name}: {null.note}" for null, part in zip(nulls, parts, strict=True))
    return Null(nulls[0].name, note, predict)


def _weight_nulls(data: Data) -> dict[str, tuple[str, dict[Split, Worth]]]:
    """Of measured weights: every synapse changes by the mean change; by a linear function of the
    two cells' rates.
    """
    train = data.sessions["train"]
    rates = {edge: _fit_rates(train, edge) for edge in train.final}

    def mean(s: Session) -> dict[str, np.ndarray]:
        return {
            e: np.asarray(s.weights[e]) + np.nanmean(train.final[e] - train.weights[e])
            for e in s.final
        }

    def linear(s: Session) -> dict[str, np.ndarray]:
        return {e: np.asarray(s.weights[e]) + _rates(s) @ rates[e] for e in s.final}

    notes = {
        "mean": "every synapse changes by the mean change of the training sessions",
        "rates_glm": "the change is linear in both cells' spike counts and their product, fitted "
        "to training sessions",
    }
    made = {"mean": mean, "rates_glm": linear}
    return {
        name: (
            note,
            {s: of_weights(data.sessions[s], made[name](data.sessions[s])) for s in SPLITS},
        )
        for name, note in notes.items()
    }


def _rates(s: Session) -> np.ndarray:
    """[n_sessions, n_post, n_pre, 4]: 1, counts of the two cells, and their product, in units of 10
    spikes.
    """
    pre, post = 0.1 * np.asarray(s.stimulus).sum(axis=1), 0.1 * np.asarray(s.target).sum(axis=1)
    pre, post = np.broadcast_arrays(pre[:, None, :], post[:, :, None])
    return np.stack([np.ones_like(pre), pre, post, pre * post], axis=-1).astype(np.float64)


def _fit_rates(s: Session, edge: str) -> np.ndarray:
    change = np.asarray(s.final[edge] - s.weights[edge], np.float64)
    known = np.isfinite(change)
    return np.linalg.lstsq(_rates(s)[known], change[known], rcond=None)[0]
