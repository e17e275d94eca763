"""Words at the right ends of curves, in place of a legend."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.optimize import isotonic_regression

from metaplast.figures.style import INK

APART = 0.075
"""Least distance of two words, as a share of the height of the axes."""
BESIDE = 1.05


def label(axes: Any, lines: Sequence[Any]) -> None:
    """Write the label of every line beside its last point, moved as little as they need to part.

    Args:
        axes: whose limits and scales are final.
        lines: of the axes.
    """
    in_order = sorted(lines, key=_end)
    to_share = axes.transScale + axes.transLimits
    heights = np.array([to_share.transform((1.0, _end(line)))[1] for line in in_order])
    steps = APART * np.arange(len(heights))
    places = isotonic_regression(heights - steps).x + steps
    places -= max(0.0, places[-1] - 1.0)
    for line, place in zip(in_order, places, strict=True):
        axes.annotate(
            line.get_label(),
            xy=(line.get_xdata()[-1], _end(line)),
            xytext=(BESIDE, place),
            textcoords="axes fraction",
            va="center",
            color=INK,
            annotation_clip=False,
            arrowprops={
                "arrowstyle": "-",
                "color": line.get_color(),
                "lw": line.get_linewidth(),
                "relpos": (0.0, 0.5),
                "shrinkA": 4,
                "shrinkB": 0,
            },
        )


def _end(line: Any) -> float:
    """The last value of a line that is finite."""
    values = np.asarray(line.get_ydata(), float)
    return float(values[np.isfinite(values)][-1])
