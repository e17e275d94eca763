"""The designs on which the intervals of fits are measured, with data by plain NumPy alone.

They were fixed before the first run.
"""

from typing import Any, NamedTuple

import numpy as np

Arrays = dict[str, np.ndarray]
RATE = 0.1
N_SETS = 400


class Design(NamedTuple):
    """A design, whose data sets all have the same truth.

    seed: data set i is drawn from [seed, i].
    terms: the terms of the rule.
    truth: their true numbers, rate times coefficient.
    n_subjects: the number of subjects.
    n_steps: the rows of each subject.
    w0 [n_in]: the first weights, which are fitted too.
    kind: `choice` (w x is the log odds) or `activity` (w x plus noise).
    inputs: `normal`, or `binary`, 0 and 1.
    noise: standard deviation of the noise of activity.
    differ: standard deviation of every number between animals.
    sure: whether choices are without chance.
    missing: the share of the values that were not recorded.
    mixed: the share of `dopamine` in `laser`; 1 is all.
    sum: whether laser is the sum of dopamine and pupil.
    open: the numbers that no such data settle.
    """

    seed: int
    terms: tuple[str, ...]
    truth: tuple[float, ...]
    n_subjects: int = 12
    n_steps: int = 80
    w0: tuple[float, ...] = (0.5, -0.3)
    kind: str = "choice"
    inputs: str = "normal"
    noise: float = 0.5
    differ: float = 0.0
    sure: bool = False
    missing: float = 0.0
    mixed: float = 0.0
    sum: bool = False
    open: tuple[str, ...] = ()


A = "modulator.dopamine*pre"
L = "modulator.laser*pre"
P = "modulator.pupil*pre"
SQUARE = "modulator.dopamine*pre^2"
DESIGNS = {
    "identified": Design(1801, (A, "weight"), (0.15, -0.05)),
    "identified_activity": Design(
        1802, (A, "pre", "weight"), (0.1, 0.02, -0.05), kind="activity", n_subjects=10
    ),
    "five_terms": Design(
        1803, (A, L, P, "pre", "weight"), (0.15, -0.1, 0.05, 0.03, -0.05), n_subjects=16
    ),
    "collinear": Design(
        1804, (A, SQUARE, "weight"), (0.1, 0.05, -0.05), inputs="binary", open=(A, SQUARE)
    ),
    "collinear_sum": Design(
        1805, (A, P, L, "weight"), (0.1, 0.05, 0.05, -0.05), sum=True, open=(A, P, L)
    ),
    "nearly_collinear": Design(1806, (A, L), (0.1, 0.05), mixed=0.95),
    "separated": Design(1807, (A, "pre"), (0.15, 0.05), sure=True, open=(A, "pre")),
    "five_that_differ": Design(
        1808, (A, L), (0.15, -0.1), n_subjects=5, differ=0.05, kind="activity"
    ),
    "twenty_that_differ": Design(1809, (A, L), (0.15, -0.1), n_subjects=20, differ=0.05),
    "missing": Design(1810, (A, "weight"), (0.15, -0.05), missing=0.5),
}


def data_set(design: Design, index: int) -> Arrays:
    """One data set [n_subjects, n_steps, ...]: stimulus, target, observed, and the modulators."""
    rng = np.random.default_rng([design.seed, index])
    n = design.n_subjects
    n_steps = design.n_steps
    size = (n, n_steps, len(design.w0))
    if design.inputs == "normal":
        x = rng.normal(size=size)
    else:
        x = rng.integers(2, size=size).astype(float)
    dopamine, laser, pupil = rng.normal(size=(3, n, n_steps))
    if design.mixed:
        laser = design.mixed * dopamine + np.sqrt(1.0 - design.mixed**2) * laser
    if design.sum:
        laser = dopamine + pupil
    signals = {"modulator.dopamine": dopamine, "modulator.laser": laser, "modulator.pupil": pupil}
    numbers = np.asarray(design.truth) + design.differ * rng.normal(size=(n, len(design.truth)))
    drive = _lives(design, x, signals, numbers)
    if design.kind == "activity":
        target = drive + design.noise * rng.normal(size=drive.shape)
    else:
        chance = rng.random(drive.shape)
        chosen = drive > 0 if design.sure else chance < 1.0 / (1.0 + np.exp(-drive))
        target = chosen.astype(float)
    observed = (rng.random(target.shape) >= design.missing).astype(float)
    named = {name.split(".")[1]: values for name, values in signals.items()}
    return {"stimulus": x, "target": target[:, :, None], "observed": observed[:, :, None], **named}


def _lives(design: Design, x: np.ndarray, signals: Arrays, numbers: np.ndarray) -> np.ndarray:
    """w_t x_t [n_subjects, n_steps]. After every row, w changes by the sum of number times term."""
    weight = np.tile(np.asarray(design.w0), (len(x), 1))
    drive = np.zeros(x.shape[:2])
    for t in range(x.shape[1]):
        drive[:, t] = np.sum(weight * x[:, t], axis=1)
        now: dict[str, Any] = {"pre": x[:, t], "weight": weight, "pre^2": x[:, t] ** 2}
        change = np.zeros_like(weight)
        for term, number in zip(design.terms, numbers.T, strict=True):
            value = number[:, None]
            for factor in term.split("*"):
                value = value * (now[factor] if factor in now else signals[factor][:, t, None])
            change += value
        weight = np.clip(weight + change, -10.0, 10.0)
    return drive
