"""The bits of the searched numbers: how coarse they may be before the score falls."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import jax
import numpy as np

from metaplast.inspection.distillation import unpenalised
from metaplast.inspection.innate import scores_at_birth
from metaplast.inspection.side_by_side import scores
from metaplast.inspection.subject import Subject
from metaplast.inspection.tree_bits import opened_constants
from metaplast.results.statistics import Estimate, estimate
from metaplast.signals import Theta
from metaplast.tasks import Split

PARTS = ("rules", "genome", "feedback", "neurons")
"""The parts of theta."""
N_LIVES = 64
MOST_BITS = 16
LOSS = 0.01
"""The share of what is learned that may be lost."""
RANGE_BITS = 8
"""Of the exponent of a leaf, as a float of 32 bits has it."""


class Coded(NamedTuple):
    """The numbers of a part at one resolution, against the exact numbers on the same lives.

    bits: of each number; with 0 bits every number is 0.
    worse: how much worse the score is.
    excess: `worse` less the loss that is allowed; at most 0 where the resolution is enough.
    """

    bits: int
    worse: Estimate
    excess: Estimate


class PartBits(NamedTuple):
    """The bits of the numbers of a part of theta.

    n_numbers: the searched numbers.
    n_leaves: the leaves that hold them, each with a range of its own.
    coded: every resolution.
    bits: the fewest bits of a number from which on the mean loss of score is allowed; None where
        MOST_BITS do not suffice, or where nothing is learned.
    low, high: the same for the lower and for the upper end of the 95 % interval of the loss: with
        `high` bits the loss is shown to be allowed, and below `low` it is shown not to be.
    """

    n_numbers: int
    n_leaves: int
    coded: list[Coded]
    bits: int | None
    low: int | None
    high: int | None

    @property
    def total(self) -> int | None:
        """b #theta, without the ranges."""
        if self.bits is None:
            return None
        return self.bits * self.n_numbers

    @property
    def range_bits(self) -> int:
        """The bits of the ranges: an exponent for each leaf."""
        return RANGE_BITS * self.n_leaves


class NumberBits(NamedTuple):
    """The bits of the searched numbers.

    parts: {part of theta: its bits}, of the parts that hold a number.
    score: with the exact numbers.
    floor: the score from which the loss is counted.
    by_chance: whether `floor` is the score of guessing; else it is the score without plasticity.
    learned: how much better the score is than the floor, on the same lives.
    """

    parts: dict[str, PartBits]
    score: Estimate
    floor: Estimate
    by_chance: bool
    learned: Estimate


def number_bits(
    subject: Subject, split: Split, n_lives: int = N_LIVES, chance: float | None = None
) -> NumberBits | None:
    """The fewest bits of a searched number that keep 99 % of what is learned.

        bits = min b,  mean_l worse_l(b') <= 0.01 mean_l (score_l - floor_l)   for every b' >= b

    Each part of theta is coarse alone, while the others are exact. `fixed_point` has the levels.

    score_l: of life l with the exact numbers, an accuracy or a loss.
    floor_l: the score of guessing; where it is not known, that of the same life without plasticity.
    worse_l(b): how much worse the score of the same life is with b bits. The sign is such that
        worse and learned are positive, for accuracies and for losses.

    Only lives count that are finite with the exact numbers. A loss holds no penalty of theta.

    Args:
        subject: the rule in its task.
        split: of the tasks.
        n_lives: the number of lives, the same for every resolution.
        chance: the score of guessing; None: not known.

    Returns: the bits; None where no life is finite.

    Source:
        own definition.
    """
    problem, theta = opened_constants(unpenalised(subject.problem), subject.theta)
    present = [part for part in PARTS if jax.tree.leaves(theta[part])]
    members = [theta]
    for part in present:
        members += _coarse(theta, part)
    opened = replace(subject, problem=problem, theta=theta)
    values = scores(opened, members, split, n_lives)
    exact = values[0]
    if chance is None:
        floor = scores_at_birth(subject, split, n_lives)
    else:
        floor = np.full(len(exact), chance)
    counts = np.isfinite(exact) & np.isfinite(floor)
    if not counts.any():
        return None
    learned = subject.better_by(exact, floor)[counts]
    worse = np.split(subject.better_by(exact, values[1:])[:, counts], max(1, len(present)))
    parts = {}
    for part, of_part in zip(present, worse, strict=False):
        parts[part] = _part_bits(jax.tree.leaves(theta[part]), of_part, learned)
    return NumberBits(
        parts,
        estimate([exact[counts]]),
        estimate([floor[counts]]),
        chance is not None,
        estimate([learned]),
    )


def fixed_point(values: np.ndarray, bits: int) -> np.ndarray:
    """The values as fixed-point numbers of some bits.

        value -> k 2^(e + 1 - bits),  k a whole number in [-2^(bits - 1), 2^(bits - 1) - 1]

    e: the least whole number with max |value| < 2^e, over all values. With 0 bits all values are 0.

    Args:
        values: of one leaf.
        bits: of each value.
    """
    largest = float(np.max(np.abs(values), initial=0.0))
    if bits == 0 or largest == 0.0:
        return np.zeros_like(values)
    _, exponent = np.frexp(largest)
    step = 2.0 ** (int(exponent) + 1 - bits)
    half = 2 ** (bits - 1)
    whole = np.clip(np.round(np.asarray(values, np.float64) / step), -half, half - 1)
    return (step * whole).astype(values.dtype)


def _coarse(theta: Theta, part: str) -> list[Theta]:
    """The theta with a part of 0 to MOST_BITS bits."""
    members = []
    for bits in range(MOST_BITS + 1):
        coarse = jax.tree.map(lambda leaf, b=bits: fixed_point(np.asarray(leaf), b), theta[part])
        members.append({**theta, part: coarse})
    return members


def _part_bits(leaves: Sequence[Any], worse: np.ndarray, learned: np.ndarray) -> PartBits:
    """The bits of a part.

    Args:
        leaves: of the part.
        worse: of every resolution and life [MOST_BITS + 1, n_lives].
        learned: of every life [n_lives].
    """
    coded = []
    for bits, values in enumerate(worse):
        coded.append(Coded(bits, _estimate(values), _estimate(values - LOSS * learned)))
    found: list[int | None] = [None, None, None]
    if estimate([learned]).low > 0:
        for index, end in enumerate(("mean", "low", "high")):
            found[index] = _least([getattr(each.excess, end) for each in coded])
    n_numbers = sum(int(np.size(leaf)) for leaf in leaves)
    return PartBits(n_numbers, len(leaves), coded, *found)


def _estimate(values: np.ndarray) -> Estimate:
    """The mean with its interval; infinite where a life of the resolution is not finite."""
    if np.isfinite(values).all():
        return estimate([values])
    return Estimate(np.inf, np.inf, np.inf, len(values))


def _least(excess: Sequence[float]) -> int | None:
    """The least index from which on no value is above 0; None where the last one is."""
    least = None
    for index in reversed(range(len(excess))):
        if excess[index] > 0:
            break
        least = index
    return least
