"""The jumps and plateaus of an evolutionary search, and how far theta moves without a gain."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

TOP = 0.01
"""The share of outer steps that count as the best."""
FLAT = 0.01
"""A stretch in which the loss falls by at most this share of the total gain is a plateau."""
SMOOTH = 20
"""The loss is a running median over one part in so many of the run."""


class Plateaus(NamedTuple):
    """The statistics of one search.

    record: the lowest smoothed loss so far at every outer step [n].
    gain: the fall of the record from the first to the last step; 0 where nothing was won.
    top_share: the share of the gain in the best 1 % of steps; NaN without a gain.
    n_top: the number of these steps.
    longest: the steps of the longest plateau.
    start: the first step of it, counted from 0.
    drift: the share of the way of theta that was walked in steps that won nothing; NaN where theta
        is not recorded, or never moves.
    plateau_drift: the distance of theta between the two ends of the longest plateau, over the
        largest distance of theta from its first place; NaN as `drift`.
    """

    record: np.ndarray
    gain: float
    top_share: float
    n_top: int
    longest: int
    start: int
    drift: float
    plateau_drift: float


def plateaus(losses: ArrayLike, thetas: ArrayLike = ()) -> Plateaus:
    """The statistics of a search.

    The loss l of a step is that of new training lives, so it is noisy. The record r forgets what
    luck gave:

        r_t = min over s <= t of median(l_(s - h), ..., l_(s + h)),   h = n // (2 SMOOTH)

    A jump stays a jump under a median. A step wins r_(t-1) - r_t. It wins nothing where that is at
    most FLAT / n of the gain. A plateau is a stretch a..b with r_a - r_b <= FLAT gain.

    Args:
        losses: the loss at every outer step [n], n >= 1; a step that is not finite repeats the
            one before it.
        thetas: theta after every outer step [n, n_numbers]; () where it is not recorded.
    """
    record = np.minimum.accumulate(_smoothed(_finite(losses)))
    won = -np.diff(record)
    gain = float(record[0] - record[-1])
    n_top = math.ceil(TOP * len(record))
    top_share = math.nan
    if gain > 0:
        top_share = float(np.sort(won)[::-1][:n_top].sum() / gain)
    start, longest = _longest_plateau(record, FLAT * gain)
    drift, plateau_drift = math.nan, math.nan
    way = np.asarray(thetas, float)
    if len(way) == len(record) > 1:
        moved = np.linalg.norm(np.diff(way, axis=0), axis=1)
        wins_nothing = won <= FLAT * gain / len(record)
        if moved.sum() > 0:
            drift = float(moved[wins_nothing].sum() / moved.sum())
            farthest = np.linalg.norm(way - way[0], axis=1).max()
            ends = np.linalg.norm(way[start + longest - 1] - way[start])
            plateau_drift = float(ends / farthest)
    return Plateaus(record, gain, top_share, n_top, longest, start, drift, plateau_drift)


def _finite(losses: ArrayLike) -> np.ndarray:
    """The losses [n]; the last finite one, or else the first, stands for one that is not finite."""
    values = np.asarray(losses, float)
    finite = np.isfinite(values)
    if not finite.any():
        return np.zeros(len(values))
    last = np.maximum.accumulate(np.where(finite, np.arange(len(values)), -1))
    return values[np.where(last < 0, np.argmax(finite), last)]


def _smoothed(losses: np.ndarray) -> np.ndarray:
    """The running median over 2 h + 1 steps; the window is cut at both ends [n]."""
    half = len(losses) // (2 * SMOOTH)
    smooth = np.empty(len(losses))
    for step in range(len(losses)):
        smooth[step] = np.median(losses[max(0, step - half) : step + half + 1])
    return smooth


def _longest_plateau(record: np.ndarray, tolerance: float) -> tuple[int, int]:
    """(first step, number of steps) of the first longest stretch that falls by no more than this.

    The record never rises, so the end of a stretch moves on with its start.
    """
    best = (0, 1)
    end = 0
    for start in range(len(record)):
        end = max(end, start)
        while end + 1 < len(record) and record[start] - record[end + 1] <= tolerance:
            end += 1
        if end - start + 1 > best[1]:
            best = (start, end - start + 1)
    return best
