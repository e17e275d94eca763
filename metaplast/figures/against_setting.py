"""The figure of fits over a setting: R2, and what is left unexplained."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from metaplast.figures.style import OURS, PALETTE, save, subplots

Points = Sequence[tuple[float, float]]  # (setting, value) of every fit
LEAST = 1e-8  # of what is left unexplained, so that its logarithm exists


def draw(points: Mapping[str, Points], setting: str, path: Path) -> None:
    """Draw one line per R2 over a numeric setting: the mean over fits, and every fit as a point.

    The right panel shows 1 - R2 on a logarithmic axis: near R2 = 1 it alone shows which setting is
    harder.

    Args:
        points: {name of the R2: (setting, R2) of every fit}.
        setting: the name of the setting.
        path: of the picture.
    """
    figure, (left, right) = subplots(1, 2, figsize=(9, 3.8), layout="constrained")
    for (name, pairs), colour in zip(points.items(), (OURS, *PALETTE), strict=False):
        _line(left, pairs, colour, name)
        unexplained = []
        for at, value in pairs:
            unexplained.append((at, max(1.0 - value, LEAST)))
        _line(right, unexplained, colour, name)
    left.set_ylabel("held-out sessions")
    right.set_ylabel("1 - R2 (at least 1e-8)")
    right.set_yscale("log")
    for axes in (left, right):
        axes.set_xlabel(setting)
        axes.grid(alpha=0.3)
    left.legend(frameon=False, fontsize=9)
    save(figure, path)


def _line(axes: Any, pairs: Points, colour: str, name: str) -> None:
    settings = sorted({at for at, _ in pairs})
    means = []
    for setting in settings:
        values = []
        for at, value in pairs:
            if at == setting:
                values.append(value)
        means.append(float(np.mean(values)))
    axes.plot(settings, means, "-", color=colour, lw=1.6, label=name)
    every_setting, every_value = zip(*pairs, strict=True)
    axes.plot(every_setting, every_value, "o", color=colour, ms=4, alpha=0.7)
