"""The figure of one held-out session: recorded values and what every row expected."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from metaplast.figures.style import FAINT, OURS, PALETTE, count_in_wholes, save, subplots

MANY = 250  # values of a session that are no choices: more of them hide each other


def draw(
    recorded: np.ndarray,
    observed: np.ndarray,
    predicted: Mapping[str, np.ndarray],
    named: Mapping[int, str],
    whose: str,
    path: Path,
) -> None:
    """Draw one panel per named column of a session.

    Choices, and more than MANY values, are drawn as running means over a twentieth of the session:
    single ones hide each other.

    Args:
        recorded: values [n_steps, n_out].
        observed: [n_steps, n_out], above 0 where a value was recorded.
        predicted: {row: expected values [n_steps, n_out]}.
        named: {column: words of its axis} of the columns to draw.
        whose: the words above the picture.
        path: of the picture.
    """
    figure, grid = subplots(
        len(named),
        1,
        figsize=(8, 1.8 * len(named) + 1.1),
        sharex=True,
        squeeze=False,
        layout="constrained",
    )
    for axes, (column, name) in zip(grid[:, 0], named.items(), strict=True):
        steps = np.flatnonzero(observed[:, column] > 0)
        points = recorded[steps, column]
        width = 1
        if is_smoothed(points):
            width = max(1, len(steps) // 20)
            marker = {"marker": ".", "ms": 3}
            if are_choices(points):
                marker = {"marker": "|", "ms": 5}
            axes.plot(steps, points, color=FAINT, ls="none", **marker)
            running = _running_mean(points, width)
            axes.plot(steps, running, color="#555555", lw=1.3, label="recorded, running mean")
        else:
            axes.plot(steps, points, ".", color="#555555", ms=3.5, label="recorded")
        for (row, values), colour in zip(predicted.items(), (OURS, *PALETTE), strict=False):
            expected = _running_mean(values[steps, column], width)
            axes.plot(steps, expected, lw=1.3, color=colour, label=row)
        axes.set_ylabel(name)
    grid[0, 0].legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False, fontsize=9)
    grid[0, 0].set_title(whose, fontsize=10)
    count_in_wholes(grid[-1, 0])
    grid[-1, 0].set_xlabel("row of the session")
    save(figure, path)


def are_choices(values: np.ndarray) -> bool:
    """Whether recorded values are choices: 0 or 1, and both occur."""
    return set(np.unique(values)) == {0.0, 1.0}


def is_smoothed(values: np.ndarray) -> bool:
    """Whether recorded values are drawn as running means."""
    return are_choices(values) or len(values) > MANY


def _running_mean(values: np.ndarray, width: int) -> np.ndarray:
    """The mean over `width` values around each, over fewer at the ends [n]."""
    box = np.ones(width)
    counts = np.convolve(np.ones(len(values)), box, mode="same")
    return np.convolve(values, box, mode="same") / counts
