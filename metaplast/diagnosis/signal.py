"""The signal of vectors over their noise, and the smallest slope that a loss has digits for."""

from typing import NamedTuple

import numpy as np


class Signal(NamedTuple):
    """The signal of vectors v_i [size], one per life, over their noise.

        ratio = |mean v| / sqrt(tr cov(v) / n)
        per_step = sqrt(max(0, |mean v|^2 - tr cov(v) / n) / (tr cov(v) / n_tasks))

    Without any signal the mean of n vectors is noise, and `ratio` is about 1. `per_step` is free of
    this noise. It is the signal over the noise of one outer step, which has n_tasks lives.

    norm: |mean v|.
    typical: median of |v_i|.
    ratio: see above.
    per_step: see above.
    zero: share of vectors that are exactly zero.
    n: number of finite vectors.
    n_lives: number of all vectors.
    """

    norm: float
    typical: float
    ratio: float
    per_step: float
    zero: float
    n: int
    n_lives: int


def signal(vectors: np.ndarray, n_tasks: int) -> Signal:
    """The signal of vectors over their noise.

    Args:
        vectors: [n_lives, size].
        n_tasks: lives of one outer step.
    """
    finite = finite_rows(vectors)
    norms = np.linalg.norm(finite, axis=1)
    if len(finite) < 2:
        return Signal(np.nan, np.nan, np.nan, np.nan, np.nan, len(finite), len(vectors))
    norm = float(np.linalg.norm(finite.mean(axis=0)))
    variance = float(finite.var(axis=0, ddof=1).sum())
    noise = variance / len(finite)
    if noise > 0:
        clean = np.sqrt(max(0.0, norm**2 - noise))
        ratio = norm / np.sqrt(noise)
        per_step = clean / np.sqrt(variance / n_tasks)
    else:
        ratio = np.inf if norm > 0 else np.nan
        per_step = ratio
    return Signal(
        norm=norm,
        typical=float(np.median(norms)),
        ratio=float(ratio),
        per_step=float(per_step),
        zero=float(np.mean(norms == 0.0)),
        n=len(finite),
        n_lives=len(vectors),
    )


def finite_rows(vectors: np.ndarray) -> np.ndarray:
    """The rows in which all numbers are finite."""
    return vectors[np.isfinite(vectors).all(axis=1)]


def resolution(losses: np.ndarray, size: float) -> float:
    """The smallest slope of a life that the digits of its loss can show.

        resolution = eps median |L| / (2 size)

    eps: the distance from 1 to the next number of the losses' dtype.
    L: loss of a life.

    For a smaller slope, L(z + size u) and L(z - size u) may be the same number.

    Args:
        losses: L of every life, in the precision in which they were computed.
        size: the length of the step forward or back.

    Returns: the slope; NaN where no loss is finite.
    """
    finite = np.abs(losses[np.isfinite(losses)]).astype(np.float64)
    if not len(finite):
        return np.nan
    return float(np.finfo(losses.dtype).eps * np.median(finite) / (2.0 * size))
