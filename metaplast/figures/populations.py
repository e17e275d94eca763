"""What the figures of populations share: their colours, the cells and the steps that are shown."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, TypeVar

import numpy as np

from metaplast.figures.style import OURS, PALETTE, TRUE

T = TypeVar("T")

EXCITATORY = OURS
INHIBITORY = TRUE
UNSIGNED = (PALETTE[1], PALETTE[3], PALETTE[0], PALETTE[5], PALETTE[4], PALETTE[6])
"""Colours that are seen on a light and on a dark page: a dense raster is an image and keeps its."""


def colours(names: Sequence[str], signs: Mapping[str, int]) -> dict[str, str]:
    """{population: colour}: blue excites, red inhibits, others have colours of their own.

    Args:
        names: the populations.
        signs: {population: +1, -1 or 0}; 0 where it is not named.
    """
    found = {}
    n_unsigned = 0
    for name in names:
        sign = signs.get(name, 0)
        if sign:
            found[name] = EXCITATORY if sign > 0 else INHIBITORY
        else:
            found[name] = UNSIGNED[n_unsigned % len(UNSIGNED)]
            n_unsigned += 1
    return found


def in_order(values: Mapping[str, T], signs: Mapping[str, int]) -> dict[str, T]:
    """The entries of populations, excitatory ones first.

    Args:
        values: {population: anything}.
        signs: {population: +1, -1 or 0}; 0 where it is not named.
    """
    return {name: values[name] for name in sorted(values, key=lambda name: -signs.get(name, 0))}


class Line(NamedTuple):
    """A line over time.

    time: [n].
    values: [n].
    """

    time: np.ndarray
    values: np.ndarray


def thinned(time: np.ndarray, values: np.ndarray, most: int) -> Line:
    """A line of about `most` points that keeps the peaks.

    Equal stretches of a longer line have two points each, their least and their largest value.

    Args:
        time: [n].
        values: [n]; a stretch with a value that is not finite becomes a gap.
        most: the number of points.
    """
    if len(values) <= most:
        return Line(time, values)
    size = -(-2 * len(values) // most)
    n = len(values) // size
    rows = np.asarray(values[: n * size], float).reshape(n, size)
    ends = np.stack([rows.min(axis=1), rows.max(axis=1)], axis=1)
    at = np.asarray(time[: n * size]).reshape(n, size)[:, [0, size // 2]]
    return Line(at.ravel(), ends.ravel())
