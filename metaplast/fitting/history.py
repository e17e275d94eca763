"""What the GLM of `nulls` knows at every step: the stimulus, and the subject's own past."""

from typing import NamedTuple

import numpy as np

from metaplast.recording import Session

FEW = 4  # up to so many units, each unit sees the past of all


def past(values: np.ndarray, lag: int) -> np.ndarray:
    """values [n_sessions, n_steps, ...] of `lag` steps ago, 0 before the session began."""
    shifted = np.zeros_like(values, dtype=np.float64)
    shifted[:, lag:] = values[:, : max(values.shape[1] - lag, 0)]
    return shifted


def seen_values(session: Session, seen: np.ndarray) -> np.ndarray:
    """All that was recorded [n_sessions, n_steps, n_out], 0 where nothing was: not only what a split looks at."""
    return np.where(np.asarray(seen) > 0, np.asarray(session.target, np.float64), 0.0)


def shared_features(session: Session, seen: np.ndarray, lags: int, everyone: bool) -> np.ndarray:
    """Features that all units share [n_sessions, n_steps, n_features]; none looks at its own step's values.

    x(t), x(t - l), m(t - l) for l = 1 .. lags, x(t) m(t - 1), and t. x: stimuli; m: every modulator, in the order of
    their names (that of the same step may be a consequence of the value to be predicted). With `everyone` also the
    past of all units, y(t - l) and y(t - 1) m(t - 1). seen: as in `seen_values`.
    """
    x = np.asarray(session.stimulus, np.float64)
    m = _modulators(session)
    n_sessions, n_steps = x.shape[:2]
    parts = [x, *(past(x, lag) for lag in range(1, lags + 1)), *(past(m, lag) for lag in range(1, lags + 1))]
    parts.append(_products(x, past(m, 1)))
    parts.append(np.broadcast_to(np.arange(n_steps, dtype=np.float64)[None, :, None], (n_sessions, n_steps, 1)))
    if everyone:
        own = own_features(session, seen, lags, np.arange(seen.shape[2]))
        parts.append(own.reshape(n_sessions, n_steps, -1))
    return np.concatenate(parts, axis=2)


def own_features(session: Session, seen: np.ndarray, lags: int, units: np.ndarray) -> np.ndarray:
    """y(t - l) for l = 1 .. lags, and y(t - 1) m(t - 1), of each of `units`: [n_sessions, n_steps, n_units, n]."""
    y = seen_values(session, seen)[:, :, units]
    lagged = np.stack([past(y, lag) for lag in range(1, lags + 1)], axis=3)
    return np.concatenate([lagged, lagged[..., :1] * past(_modulators(session), 1)[:, :, None, :]], axis=3)


class Scaler(NamedTuple):
    """(feature - mean) / scale, from the training rows; scale is infinite where a feature did not vary there, so that
    it is 0 everywhere. Both have the shape of one row."""

    mean: np.ndarray
    scale: np.ndarray

    def __call__(self, features: np.ndarray) -> np.ndarray:
        return (features - self.mean) / self.scale


def scaler(features: np.ndarray, weight: np.ndarray) -> Scaler:
    """Of rows [n, ...] that count `weight` [n], summing to 1."""
    mean = np.tensordot(weight, features, axes=1)
    sd = np.sqrt(np.tensordot(weight, (features - mean) ** 2, axes=1))
    rounding = 1e-9 * np.max(np.abs(features), axis=0, initial=0.0)
    return Scaler(mean, np.where(sd > rounding, sd, np.inf))


def _modulators(session: Session) -> np.ndarray:
    """[n_sessions, n_steps, n_modulators], in the order of their names."""
    columns = [np.asarray(session.modulators[name], np.float64) for name in sorted(session.modulators)]
    shape = np.shape(session.stimulus)[:2]
    return np.stack(columns, axis=2) if columns else np.zeros((*shape, 0))


def _products(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Every a_i b_j: [n_sessions, n_steps, n_a n_b]."""
    return (a[..., :, None] * b[..., None, :]).reshape(*a.shape[:2], -1)
