"""The figure of one held-out session: recorded values and what every row expected."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from metaplast.figures.style import OURS, PALETTE, save, subplots


def draw(
    recorded: np.ndarray,
    observed: np.ndarray,
    predicted: Mapping[str, np.ndarray],
    named: Mapping[int, str],
    path: Path,
) -> None:
    """Draw one panel per named column of a session.

    Args:
        recorded: values [n_steps, n_out].
        observed: [n_steps, n_out], above 0 where a value was recorded.
        predicted: {row: expected values [n_steps, n_out]}.
        named: {column: label} of the columns to draw.
        path: of the picture.
    """
    figure, grid = subplots(
        len(named),
        1,
        figsize=(8, 1.8 * len(named) + 0.8),
        sharex=True,
        squeeze=False,
        layout="constrained",
    )
    for axes, (column, name) in zip(grid[:, 0], named.items(), strict=True):
        steps = np.flatnonzero(observed[:, column] > 0)
        points = recorded[steps, column]
        axes.plot(steps, points, ".", color="#555555", ms=3.5, label="recorded")
        for (row, values), colour in zip(predicted.items(), (OURS, *PALETTE), strict=False):
            axes.plot(steps, values[steps, column], lw=1.3, color=colour, label=row)
        axes.set_ylabel(name)
    grid[0, 0].legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False, fontsize=9)
    grid[-1, 0].set_xlabel("step of the first held-out session")
    save(figure, path)
