"""The figure of a fit's deviance explained: every row against every null."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from metaplast.figures.style import INK, OTHERS, OURS, save, subplots
from metaplast.results.numbers import RoundedEstimate, number

LEAST = -0.25
"""Where the axis is cut: how much worse than a null a row is does not matter much."""


def draw(rows: Mapping[str, Mapping[str, RoundedEstimate]], path: Path, main: str, of: str) -> None:
    """Draw one panel per null: deviance explained on held-out values, with 95 % intervals.

    The axis is cut at LEAST. An arrow stands where a mean or an interval lies further left.

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
    for axes, null in zip(panels, nulls, strict=True):
        for y, name in enumerate(reversed(names)):
            share = rows[name][null]
            if share.mean is None:
                continue
            colour = OURS if name == main else OTHERS
            least = min(end for end in (share.mean, *share.ci95) if end is not None)
            if least < LEAST:
                axes.plot(LEAST, y, "<", color=colour, ms=6, clip_on=False)
            if share.mean < LEAST:
                beside = {"xytext": (7, 0), "textcoords": "offset points", "va": "center"}
                words = number(share.mean, ".2f")
                axes.annotate(words, (LEAST, y), fontsize=8, color=INK, **beside)
                continue
            if share.ci95.low is not None:
                bounds = np.asarray(share.ci95, float)
                axes.plot(bounds, [y, y], color=colour, lw=3, solid_capstyle="round")
            axes.plot(share.mean, y, "o", color=colour, ms=6)
        left, right = axes.get_xlim()
        if left < LEAST:
            axes.set_xlim(LEAST, max(right, -LEAST))
        axes.axvline(0.0, color="black", lw=0.8)
        axes.set_title(f"against {null}", fontsize=10)
        axes.grid(axis="x", alpha=0.3)
    panels[0].set_yticks(range(len(names)), names[::-1])
    figure.supxlabel(f"deviance explained on held-out {of}", fontsize=10)
    save(figure, path)
