"""The mean of a number over animals that differ, from what each of them says of it."""

import numpy as np
from scipy.special import chdtri

from metaplast.results.statistics import t_quantile

CHANCE = 0.3  # so often animals that are alike seem to differ
LEAST = (
    3  # animals that settle the number by themselves, before anything is said of how they differ
)


def between(moves: np.ndarray, variances: np.ndarray) -> tuple[float, float]:
    """(mean, half the width of its 95 % interval) of values [n] known with these variances [n]; NaN
    where fewer than LEAST of them are finite, or where they differ no more than alike ones do in 1
    - CHANCE of all cases (Cochran's Q).

    Random effects: tau^2, the variance between animals, by moments (DerSimonian & Laird 1986);
    weights 1 / (v_s + tau^2); the variance of the mean from the weighted residuals, Student's t
    with n - 1 degrees of freedom (Hartung & Knapp 2001). One fit to all animals weighs them by what
    they tell, and where the most changed tell least, as in choices, its number is not their mean;
    this one nearly is.
    """
    known = np.isfinite(moves) & np.isfinite(variances) & (variances > 0)
    b, v = moves[known], variances[known]
    n = len(b)
    if n < LEAST:
        return float("nan"), float("nan")
    w = 1.0 / v
    q = np.sum(w * (b - np.sum(w * b) / np.sum(w)) ** 2)
    if q <= chdtri(n - 1, CHANCE):
        return float("nan"), float("nan")
    w = 1.0 / (v + (q - (n - 1)) / (np.sum(w) - np.sum(w**2) / np.sum(w)))
    mean = np.sum(w * b) / np.sum(w)
    variance = np.sum(w * (b - mean) ** 2) / ((n - 1) * np.sum(w))
    return float(mean), t_quantile(n - 1) * float(np.sqrt(variance))
