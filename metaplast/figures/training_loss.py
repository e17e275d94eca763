"""The figure of meta-training: a metric of every trained row over the outer steps."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from metaplast.figures.style import count_in_wholes, row_styles, save, subplots


def draw(
    losses: Mapping[str, Sequence[float]],
    path: Path,
    ours: Sequence[str],
    label: str = "loss on training lives (running median)",
) -> None:
    """Draw the outer loss of every trained row, a running median over a twentieth of the run.

    Args:
        losses: {row: values at the outer steps}; a row without values is not drawn.
        path: of the picture.
        ours: the names of the rows with a thick line; the first is blue.
        label: of the vertical axis.
    """
    figure, axes = subplots(figsize=(8.2, 4), layout="constrained")
    styles = row_styles(losses, ours)
    for name, values in losses.items():
        if not values:
            continue
        n_smooth = max(1, len(values) // 20)
        windows = np.lib.stride_tricks.sliding_window_view(np.asarray(values), n_smooth)
        smooth = np.median(windows, axis=1)
        steps = np.arange(n_smooth, len(values) + 1)
        width = 1.2
        if name in ours:
            width = 2.2
        axes.plot(steps, smooth, lw=width, label=name, **styles[name])
    count_in_wholes(axes)
    axes.set_xlabel("outer step")
    axes.set_ylabel(label)
    if all(min(values, default=1) > 0 for values in losses.values()):
        axes.set_yscale("log")
    figure.legend(loc="outside right upper", fontsize=8, frameon=False)
    axes.grid(alpha=0.3)
    save(figure, path)
