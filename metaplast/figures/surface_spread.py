"""The figure of a fitted surface: the change of weight, and how well the data fix it."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from metaplast.figures.style import OURS, save, subplots


def draw(
    grid: Sequence[np.ndarray],
    change: np.ndarray,
    half: np.ndarray,
    names: tuple[str, str],
    path: Path,
) -> None:
    """Draw delta_w over two signals, and half the width of its 95 % interval.

    Where one of the two makes no difference, draw a curve over the other with its interval.

    Args:
        grid: values of the two signals.
        change: delta_w on the grid.
        half: half the width of its interval, on the grid.
        names: of the two signals.
        path: of the picture.
    """
    for axis in (0, 1):
        if _is_flat(change, axis) and _is_flat(half, axis):
            first = np.take(change, 0, axis)
            _draw_curve(grid[axis], first, np.take(half, 0, axis), names[axis], path)
            return
    figure, (left, right) = subplots(1, 2, figsize=(9, 3.6), sharey=True, layout="constrained")
    largest = float(np.abs(change).max()) or 1.0
    widest = float(half.max()) or 1.0
    drawn = {"shading": "auto", "rasterized": True}
    signed = {**drawn, "cmap": "RdBu_r", "vmin": -largest, "vmax": largest}
    positive = {**drawn, "cmap": "viridis", "vmin": 0.0, "vmax": widest}
    figure.colorbar(left.pcolormesh(*grid, change, **signed), ax=left)
    figure.colorbar(right.pcolormesh(*grid, half, **positive), ax=right)
    left.set_title("fitted change of weight", fontsize=10)
    right.set_title("half of its 95 % interval", fontsize=10)
    left.set_xlabel(names[0])
    right.set_xlabel(names[0])
    left.set_ylabel(names[1])
    save(figure, path)


def _is_flat(values: np.ndarray, axis: int) -> bool:
    """Whether values on the grid do not differ along an axis, but for rounding."""
    spread = values.max(axis=axis) - values.min(axis=axis)
    return bool(spread.max() <= 1e-5 * np.abs(values).max())


def _draw_curve(x: np.ndarray, change: np.ndarray, half: np.ndarray, name: str, path: Path) -> None:
    """Draw delta_w over one signal [n] with its 95 % interval."""
    figure, axes = subplots(figsize=(6, 3.6), layout="constrained")
    axes.fill_between(x, change - half, change + half, color=OURS, alpha=0.25, lw=0)
    axes.plot(x, change, color=OURS, lw=1.6)
    axes.axhline(0.0, color="black", lw=0.8)
    axes.set_xlabel(name)
    axes.set_ylabel("fitted change of weight, 95 % interval")
    axes.grid(alpha=0.3)
    save(figure, path)
