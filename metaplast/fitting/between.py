"""The mean of a number over animals that differ, from what each animal alone says of it."""

from typing import NamedTuple

import numpy as np
from scipy.special import chdtri

from metaplast.results.statistics import t_quantile

CHANCE = 0.3  # how often animals that are alike seem to differ
LEAST = 3  # animals that settle the number alone, before anything is said of their differences


class MeanOfAnimals(NamedTuple):
    """A mean over animals, and half the width of its 95 % interval."""

    mean: float
    half: float


NO_DIFFERENCE = MeanOfAnimals(float("nan"), float("nan"))


def between(moves: np.ndarray, variances: np.ndarray) -> MeanOfAnimals:
    """The mean of values [n] that are known with these variances [n], by random effects.

    mean = sum_s w_s b_s / sum_s w_s,  w_s = 1 / (v_s + tau^2)

    b_s, v_s: value and variance of animal s.
    tau^2: variance between animals, by moments (DerSimonian & Laird 1986).

    The variance of the mean comes from the weighted residuals, with Student's t of n - 1 degrees
    of freedom (Hartung & Knapp 2001). The mean is NaN where fewer than LEAST values are finite. It
    is NaN too where the values differ no more than alike ones do in 1 - CHANCE of all cases
    (Cochran's Q).

    One fit to all animals weighs each animal by the information of its data. Where the animals that
    changed most carry least information, as in choices, the number of that fit is not the mean over
    animals. This mean nearly is.
    """
    known = np.isfinite(moves) & np.isfinite(variances) & (variances > 0)
    b = moves[known]
    v = variances[known]
    n = len(b)
    if n < LEAST:
        return NO_DIFFERENCE
    w = 1.0 / v
    q = np.sum(w * (b - np.sum(w * b) / np.sum(w)) ** 2)
    if q <= chdtri(n - 1, CHANCE):
        return NO_DIFFERENCE
    tau2 = (q - (n - 1)) / (np.sum(w) - np.sum(w**2) / np.sum(w))
    w = 1.0 / (v + tau2)
    mean = np.sum(w * b) / np.sum(w)
    variance = np.sum(w * (b - mean) ** 2) / ((n - 1) * np.sum(w))
    return MeanOfAnimals(float(mean), t_quantile(n - 1) * float(np.sqrt(variance)))
