"""The signal of vectors over their noise, and the smallest slope that a loss has digits for."""

from typing import NamedTuple

import numpy as np


class Signal(NamedTuple):
    """The signal of vectors v_i [size], one per life, over their noise.

        ratio = |mean v| / sqrt(tr cov(v) / n)
        per_step = sqrt(max(0, |mean v|^2 - tr cov(v) / n) / (tr cov(v) / n_tasks))

    Without any signal `ratio` is about 1, for the mean of n vectors is noise. In `per_step` this
    noise is taken away; it holds for the n_tasks lives of one outer step.

    norm: |mean v|
    typical: the median of |v_i|
    zero: the share of vectors that are exactly zero
    n: vectors that are finite
    n_lives: all vectors
    """

    norm: float
    typical: float
    ratio: float
    per_step: float
    zero: float
    n: int
    n_lives: int


def signal(vectors: np.ndarray, n_tasks: int) -> Signal:
    """The signal of vectors [n_lives, size]; n_tasks: lives of one outer step."""
    finite = finite_rows(vectors)
    norms = np.linalg.norm(finite, axis=1)
    if len(finite) < 2:
        return Signal(np.nan, np.nan, np.nan, np.nan, np.nan, len(finite), len(vectors))
    norm = float(np.linalg.norm(finite.mean(axis=0)))
    spread_ = float(finite.var(axis=0, ddof=1).sum())
    noise = spread_ / len(finite)
    ratio = norm / np.sqrt(noise) if noise > 0 else np.inf if norm > 0 else np.nan
    clean = np.sqrt(max(0.0, norm**2 - noise))
    per_step = clean / np.sqrt(spread_ / n_tasks) if noise > 0 else ratio
    zero = float(np.mean(norms == 0.0))
    return Signal(
        norm,
        float(np.median(norms)),
        float(ratio),
        float(per_step),
        zero,
        len(finite),
        len(vectors),
    )


def finite_rows(vectors: np.ndarray) -> np.ndarray:
    """The rows without a number that is not finite."""
    return vectors[np.isfinite(vectors).all(axis=1)]


def resolution(losses: np.ndarray, size: float) -> float:
    """The smallest slope of a life that the digits of its loss can show,

        eps median |L| / (2 size)

    eps: the distance from 1 to the next number of the losses' dtype
    losses: L of every life, in the precision that they were computed in
    size: of the step to either side

    Below it L(z + size u) and L(z - size u) may be the same number for a slope that is not 0. Not a
    number where no loss is finite.
    """
    finite = np.abs(losses[np.isfinite(losses)]).astype(np.float64)
    if not len(finite):
        return np.nan
    return float(np.finfo(losses.dtype).eps * np.median(finite) / (2.0 * size))
