"""The share of a recording that a prediction explains, with intervals over subjects."""

import jax
import jax.numpy as jnp
import numpy as np

from metaplast.likelihoods.base import AbstractLikelihood
from metaplast.recording import Session
from metaplast.results.statistics import FEW, RESAMPLES, Estimate, t_quantile


def deviances(likelihood: AbstractLikelihood, activity: np.ndarray, session: Session) -> np.ndarray:
    """The deviance of every session, in double precision.

    D_s = 2 sum_tj observed_stj (loss(a_stj, y_stj) - saturated(y_stj))

    a, y: activity and recorded value at step t of unit j.
    observed: what each value counts.

    A value that is not observed counts for nothing, whatever it is. An activity that is not a
    number at an observed value makes the deviance of its session NaN.

    Args:
        likelihood: of the recorded values.
        activity: [n_sessions, n_steps, n_out], in the unit in which the likelihood reads the
            activity of a model.
        session: stacked sessions.

    Returns: D [n_sessions].
    """
    observed = np.asarray(session.observed, np.float64)
    y = np.where(observed > 0, np.asarray(session.target, np.float64), 0.0)
    a = np.where(observed > 0, np.asarray(activity, np.float64), 0.0)
    with jax.enable_x64(True):
        value = jnp.asarray(y)
        excess = np.asarray(likelihood.loss(jnp.asarray(a), value) - likelihood.saturated(value))
    return 2.0 * np.sum(observed * np.where(observed > 0, excess, 0.0), axis=(1, 2))


def explained(model: np.ndarray, null: np.ndarray) -> float:
    """1 - sum D_model / sum D_null, of deviances [n_sessions].

    NaN where the null leaves nothing to explain.
    """
    return float(_lead(np.sum(null), np.sum(model), np.sum(null)))


def explained_ci(
    model: np.ndarray, null: np.ndarray, subject: np.ndarray, seed: int = 0
) -> Estimate:
    """`explained` with its 95 % interval over subjects, all sessions of a subject together.

    It is the percentile bootstrap; of fewer than FEW subjects, Student's t of the jackknife. With
    fewer than two subjects the interval is NaN, for one animal says nothing about others.

    Args:
        model, null: deviances [n_sessions].
        subject: of every session [n_sessions].
        seed: of the resamples.

    Returns: the estimate, whose n counts the subjects with something to explain.
    """
    return difference_ci(model, null, null, subject, seed)


def difference_ci(
    a: np.ndarray, b: np.ndarray, null: np.ndarray, subject: np.ndarray, seed: int = 0
) -> Estimate:
    """explained(a) - explained(b) = (sum D_b - sum D_a) / sum D_null, with its interval.

    It is positive where a explains more. It is paired: every resample draws the same subjects for
    a, b and null.

    Args: as of `explained_ci`, with deviances a, b and null.

    Returns: as `explained_ci`.
    """
    _, index = np.unique(subject, return_inverse=True)
    by_subject = []
    for d in (b, a, null):
        by_subject.append(np.bincount(index, np.asarray(d, np.float64)))
    sums = np.stack(by_subject)  # [3, n_subjects]
    sums = sums[:, np.any(sums != 0, axis=0)]
    n = sums.shape[1]
    mean = float(_lead(*sums.sum(axis=1)))
    if n < 2:
        return Estimate(mean, float("nan"), float("nan"), n)
    if n < FEW:
        with np.errstate(invalid="ignore"):  # deviances of a model that diverged may be infinite
            without = _lead(*(sums.sum(axis=1, keepdims=True) - sums))
            sd = float(np.sqrt((n - 1) ** 2 / n) * without.std(ddof=1))
            half = t_quantile(n - 1) * sd
        return Estimate(mean, mean - half, mean + half, n)
    drawn = np.random.default_rng(seed).integers(n, size=(RESAMPLES, n))
    with np.errstate(invalid="ignore"):  # deviances of a model that diverged may be infinite
        low, high = np.quantile(_lead(*sums[:, drawn].sum(axis=2)), [0.025, 0.975])
    return Estimate(mean, float(low), float(high), n)


def r2(predicted: np.ndarray, target: np.ndarray, observed: np.ndarray) -> float:
    """R^2, pooled over units; NaN if the values of no unit vary.

    R^2 = 1 - sum w (y - p)^2 / sum w (y - mean_j y)^2

    p: predicted [..., n_out].
    y: target [..., n_out].
    w: observed [..., n_out].
    mean_j: over the observed values of unit j.
    """
    n_out = np.shape(target)[-1]
    w = np.asarray(observed, np.float64).reshape(-1, n_out)
    y = np.where(w > 0, np.asarray(target, np.float64).reshape(-1, n_out), 0.0)
    p = np.where(w > 0, np.asarray(predicted, np.float64).reshape(-1, n_out), 0.0)
    most = np.where(w > 0, y, -np.inf).max(axis=0, initial=-np.inf)
    least = np.where(w > 0, y, np.inf).min(axis=0, initial=np.inf)
    if not np.any(most > least):
        return float("nan")
    count = w.sum(axis=0)
    mean = np.sum(w * y, axis=0) / np.where(count > 0, count, 1.0)
    return float(1.0 - np.sum(w * (y - p) ** 2) / np.sum(w * (y - mean) ** 2))


def _lead(worse: np.ndarray, better: np.ndarray, null: np.ndarray) -> np.ndarray:
    """(worse - better) / null, NaN where null is 0."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(np.asarray(null) > 0, (np.asarray(worse) - better) / null, np.nan)
