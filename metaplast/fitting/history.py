"""The features that the GLM of `nulls` knows at every step: stimulus and the subject's own past."""

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
    """All recorded values [n_sessions, n_steps, n_out], 0 where nothing was recorded.

    Values that the split of the sessions does not look at are among them.
    """
    return np.where(np.asarray(seen) > 0, np.asarray(session.target, np.float64), 0.0)


def missed(seen: np.ndarray) -> np.ndarray:
    """The misses [n_sessions, n_steps, n_out]: 1 where nothing was recorded of a unit, else 0.

    After the last step with a value of any of these units it is 0. A miss is neither the value 0
    nor the end of a session.
    """
    known: np.ndarray = np.greater(seen, 0)
    later = np.cumsum(np.any(known, axis=2)[:, ::-1], axis=1)
    going_on = later[:, ::-1] > 0
    return (~known & going_on[:, :, None]).astype(np.float64)


def last_seen(seen: np.ndarray, lag: int) -> np.ndarray:
    """The step of the `lag`-th last value before every step [n_sessions, n_steps, n_out].

    It is -1 where there is none.
    """
    known = np.asarray(seen) > 0
    before = np.cumsum(known, axis=1) - known
    n_sessions, n_steps, n_out = known.shape
    steps = np.full((n_sessions, n_steps + 1, n_out), -1)
    session, step, unit = np.nonzero(known)
    steps[session, before[session, step, unit], unit] = step
    last = np.take_along_axis(steps, np.maximum(before - lag, 0), axis=1)
    return np.where(before >= lag, last, -1)


def shared_features(
    session: Session, seen: np.ndarray, lags: int, everyone: bool, gaps: bool = False
) -> np.ndarray:
    """Features that all units share; none looks at the values of its own step.

    x(t), x(t - l), m(t - l) for l = 1 .. lags, x(t) m(t - 1), and t

    x: stimuli.
    m: every modulator, in the order of their names. The modulator of the same step is left out, for
        it may be a consequence of the value to be predicted.

    Args:
        session: stacked sessions.
        seen: > 0 where a value was recorded [n_sessions, n_steps, n_out].
        lags: steps of the past.
        everyone: whether the past of all units is added, as `unit_features`.
        gaps: as of `unit_features`.

    Returns: [n_sessions, n_steps, n_features].
    """
    x = np.asarray(session.stimulus, np.float64)
    m = _modulators(session)
    n_sessions, n_steps = x.shape[:2]
    parts = [x]
    for lag in range(1, lags + 1):
        parts.append(past(x, lag))
    for lag in range(1, lags + 1):
        parts.append(past(m, lag))
    parts.append(_products(x, past(m, 1)))
    time = np.arange(n_steps, dtype=np.float64)[None, :, None]
    parts.append(np.broadcast_to(time, (n_sessions, n_steps, 1)))
    if everyone:
        of_units = unit_features(session, seen, lags, np.arange(seen.shape[2]), gaps)
        parts.append(of_units.reshape(n_sessions, n_steps, -1))
    return np.concatenate(parts, axis=2)


def unit_features(
    session: Session, seen: np.ndarray, lags: int, units: np.ndarray, gaps: bool = False
) -> np.ndarray:
    """Features of the past of single units.

    y(t - l) for l = 1 .. lags, and y(t - 1) m(t - 1)

    y: recorded values of the unit, 0 where nothing was recorded.
    m: every modulator.

    With `gaps`, for units that were missed at times, there are also

    whether the value of t - l was missed,
    y(t_l) - y(t - l), m(t_l) - m(t - l), and y(t_1) m(t_1) - y(t - 1) m(t - 1)

    t_l: the step of the l-th last recorded value.

    These make the last choices known beyond misses, and tell a miss from choice 0.

    Args:
        session: stacked sessions.
        seen: > 0 where a value was recorded [n_sessions, n_steps, n_out].
        lags: steps of the past.
        units: the units [n_units].
        gaps: whether they were missed at times.

    Returns: [n_sessions, n_steps, n_units, n].
    """
    m = _modulators(session)
    units_seen = np.asarray(seen)[:, :, units]
    y = seen_values(session, seen)[:, :, units]
    lagged = np.stack([past(y, lag) for lag in range(1, lags + 1)], axis=3)
    parts = [lagged, lagged[..., :1] * past(m, 1)[:, :, None, :]]
    if gaps:
        for lag in range(1, lags + 1):
            parts.append(past(missed(units_seen), lag)[..., None])
        for lag in range(1, lags + 1):
            step = last_seen(units_seen, lag)
            parts.append((_at(y, step) - lagged[..., lag - 1])[..., None])
            parts.append(_all_at(m, step) - past(m, lag)[:, :, None, :])
        first = last_seen(units_seen, 1)
        parts.append(_at(y, first)[..., None] * _all_at(m, first) - parts[1])
    return np.concatenate(parts, axis=3)


def _at(values: np.ndarray, step: np.ndarray) -> np.ndarray:
    """values [n_sessions, n_steps, n] at `step` of the same shape; 0 where it is -1."""
    return np.where(step >= 0, np.take_along_axis(values, np.maximum(step, 0), axis=1), 0.0)


def _all_at(values: np.ndarray, step: np.ndarray) -> np.ndarray:
    """values [n_sessions, n_steps, n_modulators] at `step` [n_sessions, n_steps, n].

    Returns: [n_sessions, n_steps, n, n_modulators], 0 where the step is -1.
    """
    session = np.arange(len(values))[:, None, None]
    return np.where(step[..., None] >= 0, values[session, np.maximum(step, 0)], 0.0)


class Scaler(NamedTuple):
    """(feature - mean) / scale, from the training rows.

    mean, scale: in the shape of one row. The scale is infinite where a feature did not vary there,
        so that the scaled feature is 0 everywhere.
    """

    mean: np.ndarray
    scale: np.ndarray

    def __call__(self, features: np.ndarray) -> np.ndarray:
        return (features - self.mean) / self.scale


def scaler(features: np.ndarray, weight: np.ndarray) -> Scaler:
    """The scaler of rows [n, ...] that count `weight` [n], which sums to 1."""
    mean = np.tensordot(weight, features, axes=1)
    sd = np.sqrt(np.tensordot(weight, (features - mean) ** 2, axes=1))
    rounding = 1e-9 * np.max(np.abs(features), axis=0, initial=0.0)
    return Scaler(mean, np.where(sd > rounding, sd, np.inf))


def _modulators(session: Session) -> np.ndarray:
    """The modulators [n_sessions, n_steps, n_modulators], in the order of their names."""
    names = sorted(session.modulators)
    if not names:
        return np.zeros((*np.shape(session.stimulus)[:2], 0))
    return np.stack([np.asarray(session.modulators[n], np.float64) for n in names], axis=2)


def _products(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Every product a_i b_j [n_sessions, n_steps, n_a n_b]."""
    return (a[..., :, None] * b[..., None, :]).reshape(*a.shape[:2], -1)
