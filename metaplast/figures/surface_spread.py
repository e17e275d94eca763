"""The figure of a fitted surface: the change of weight, and how well the data fix it."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from metaplast.figures.style import save, subplots


def draw(
    grid: Sequence[np.ndarray],
    change: np.ndarray,
    half: np.ndarray,
    names: tuple[str, str],
    path: Path,
) -> None:
    """Draw delta_w over two signals, and half the width of its 95 % interval over the refits.

    Args:
        grid: values of the two signals.
        change: delta_w on the grid.
        half: half the width of its interval, on the grid.
        names: of the two signals.
        path: of the picture.
    """
    figure, (left, right) = subplots(1, 2, figsize=(9, 3.6), sharey=True, layout="constrained")
    largest = float(np.abs(change).max()) or 1.0
    widest = float(half.max()) or 1.0
    drawn = {"shading": "auto", "rasterized": True}
    signed = {
        **drawn,
        "cmap": "RdBu_r",
        "vmin": -largest,
        "vmax": largest,
        "shading": "auto",
        "rasterized": True,
    }
    positive = {
        **drawn,
        "cmap": "viridis",
        "vmin": 0.0,
        "vmax": widest,
        "shading": "auto",
        "rasterized": True,
    }
    figure.colorbar(left.pcolormesh(*grid, change, **signed), ax=left)
    figure.colorbar(right.pcolormesh(*grid, half, **positive), ax=right)
    left.set_title("fitted change of weight", fontsize=10)
    right.set_title("half of its 95 % interval", fontsize=10)
    left.set_xlabel(names[0])
    right.set_xlabel(names[0])
    left.set_ylabel(names[1])
    save(figure, path)
