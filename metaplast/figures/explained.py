"""The figure of a fit's deviance explained: every row against every null."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from metaplast.figures.style import INK, OTHERS, OURS, save, subplots
from metaplast.results.numbers import RoundedEstimate, number

LEAST = -0.25
"""Where the axis is cut: how much worse than a null a row is does not matter much."""
MOST = 1.0
"""Where the axis is cut on the right: nothing can explain more, and an interval may."""
MARGIN = 0.04  # beyond what is drawn, as a share of it


class _Axis(NamedTuple):
    """The ends of the axis of all panels."""

    low: float
    high: float


def draw(rows: Mapping[str, Mapping[str, RoundedEstimate]], path: Path, main: str, of: str) -> None:
    """Draw one panel per null: deviance explained on held-out values, with 95 % intervals.

    The axis is that of all panels. It is cut at LEAST and at MOST. An arrow stands where an
    interval or a mean lies further out; the part of the interval between the cuts is drawn.

    Args:
        rows: {row: {null: share of its deviance}}, of every fitted row and every other null.
        path: of the picture.
        main: the row in blue.
        of: the held-out values in words.
    """
    names = list(rows)
    nulls = list(rows[names[0]])
    size = (3.4 * len(nulls) + 1.2, 0.4 * len(rows) + 1.5)
    figure, grid = subplots(1, len(nulls), figsize=size, sharey=True, layout="constrained")
    panels = np.atleast_1d(grid)
    axis = _axis(share for shares in rows.values() for share in shares.values())
    for axes, null in zip(panels, nulls, strict=True):
        for y, name in enumerate(reversed(names)):
            colour = OURS if name == main else OTHERS
            _draw_share(axes, y, rows[name][null], colour)
        axes.set_xlim(axis.low, axis.high)
        axes.axvline(0.0, color="black", lw=0.8)
        axes.set_title(f"against {null}", fontsize=10)
        axes.grid(axis="x", alpha=0.3)
    panels[0].set_yticks(range(len(names)), names[::-1])
    figure.supxlabel(f"deviance explained on held-out {of}", fontsize=10)
    save(figure, path)


def _axis(shares: Iterable[RoundedEstimate]) -> _Axis:
    """The ends of the axis: about all means and intervals and 0, between the cuts."""
    ends = [0.0]
    for share in shares:
        for end in (share.mean, *share.ci95):
            if end is not None:
                ends.append(end)
    margin = MARGIN * (min(max(ends), MOST) - max(min(ends), LEAST)) or 0.1
    low = max(min(ends) - margin, LEAST)
    high = min(max(ends) + margin, MOST)
    if low == LEAST:
        high = max(high, -LEAST)  # 0 in the middle at most, also where all rows are cut
    return _Axis(low, high)


def _draw_share(axes: Any, y: int, share: RoundedEstimate, colour: str) -> None:
    """Draw one mean with the visible part of its interval, and arrows to what is cut off."""
    if share.mean is None:
        return
    low, high = share.ci95
    if low is None or high is None:
        low = high = share.mean
    if max(low, LEAST) < min(high, MOST):
        visible = (max(low, LEAST), min(high, MOST))
        axes.plot(visible, [y, y], color=colour, lw=3, solid_capstyle="round")
    if min(low, share.mean) < LEAST:
        axes.plot(LEAST, y, "<", color=colour, ms=6, clip_on=False)
    if high > MOST:
        axes.plot(MOST, y, ">", color=colour, ms=6, clip_on=False)
    if share.mean >= LEAST:
        axes.plot(share.mean, y, "o", color=colour, ms=6, clip_on=False)
        return
    above = {"xytext": (6, 3), "textcoords": "offset points", "va": "bottom"}
    ground = {"facecolor": "white", "edgecolor": "none", "pad": 0.5}
    words = number(share.mean, ".2f")
    axes.annotate(words, (LEAST, y), fontsize=8, color=INK, bbox=ground, zorder=4, **above)
