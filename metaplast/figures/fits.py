"""Pictures of a fit: what is explained, the numbers with their intervals, and one session as
recorded and as fitted.
"""

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np

from metaplast.figures.drawing import OTHERS, OURS, PALETTE, _save

TRUE = "#d55e00"


def explained(rows: Mapping[str, Mapping[str, Any]], path: Path, main: str, of: str) -> None:
    """One panel per null: deviance explained on held-out values by every row and every other null,
    95 % intervals. of: what these values are."""
    nulls = list(next(iter(rows.values())))
    figure, axes = plt.subplots(
        1,
        len(nulls),
        figsize=(3.4 * len(nulls) + 1.2, 0.4 * len(rows) + 1.5),
        sharey=True,
        layout="constrained",
    )
    for axis, null in zip(np.atleast_1d(axes), nulls, strict=True):
        for y, name in enumerate(reversed(list(rows))):
            value = rows[name][null]
            if value["mean"] is None:
                continue
            colour = OURS if name == main else OTHERS
            if value["ci95"][0] is not None:
                axis.plot(value["ci95"], [y, y], color=colour, lw=3, solid_capstyle="round")
            axis.plot(value["mean"], y, "o", color=colour, ms=6)
        axis.axvline(0.0, color="black", lw=0.8)
        axis.set_title(f"against {null}", fontsize=10)
        axis.grid(axis="x", alpha=0.3)
    np.atleast_1d(axes)[0].set_yticks(range(len(rows)), list(rows)[::-1])
    figure.supxlabel(f"deviance explained on held-out {of}", fontsize=10)
    _save(figure, path)


def numbers(
    found: Mapping[str, float], interval: Mapping[str, Any], true: Mapping[str, float], path: Path
) -> None:
    """The numbers of the fitted rule, with 95 % intervals, and the true ones where they are known."""
    names = list(dict.fromkeys([*found, *(n for n, v in true.items() if v)]))[:40]
    figure, axes = plt.subplots(figsize=(7, 0.32 * len(names) + 1.3), layout="constrained")
    for y, name in enumerate(reversed(names)):
        if name in interval and interval[name][0] is not None:
            axes.plot(interval[name], [y, y], color=OURS, lw=3, solid_capstyle="round")
        if name in found:
            axes.plot(found[name], y, "o", color=OURS, ms=6, label="fitted" if y == 0 else None)
        if true:
            axes.plot(
                true.get(name, 0.0),
                y,
                "|",
                color=TRUE,
                ms=16,
                mew=2.5,
                label="true" if y == 0 else None,
            )
    axes.axvline(0.0, color="black", lw=0.8)
    axes.set_yticks(range(len(names)), list(reversed(names)))
    axes.set_xlabel("change of weight per step and unit of the term")
    axes.grid(axis="x", alpha=0.3)
    if true:
        axes.legend(loc="best", frameon=False)
    _save(figure, path)


def session(
    recorded: np.ndarray,
    observed: np.ndarray,
    predicted: Mapping[str, np.ndarray],
    named: Mapping[int, str],
    path: Path,
) -> None:
    """One held-out session: recorded values [n_steps, n_out] of the columns that are named, and
    what every row expected."""
    figure, axes = plt.subplots(
        len(named),
        1,
        figsize=(8, 1.8 * len(named) + 0.8),
        sharex=True,
        squeeze=False,
        layout="constrained",
    )
    for axis, (unit, name) in zip(axes[:, 0], named.items(), strict=True):
        steps = np.flatnonzero(observed[:, unit] > 0)
        axis.plot(steps, recorded[steps, unit], ".", color="#555555", ms=3.5, label="recorded")
        for (row, values), colour in zip(predicted.items(), (OURS, *PALETTE), strict=False):
            axis.plot(steps, values[steps, unit], lw=1.3, color=colour, label=row)
        axis.set_ylabel(name)
    axes[0, 0].legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False, fontsize=9)
    axes[-1, 0].set_xlabel("step of the first held-out session")
    _save(figure, path)


def window(curves: Mapping[str, tuple[np.ndarray, np.ndarray]], band: Any, path: Path) -> None:
    """The change of weight by one pair of spikes against post time minus pre time in ms."""
    figure, axes = plt.subplots(figsize=(6, 3.6), layout="constrained")
    if band is not None:
        axes.fill_between(
            band[0], band[1], band[2], color=OURS, alpha=0.25, lw=0, label="95 % interval"
        )
    for (name, (lag, change)), colour in zip(
        curves.items(), itertools.cycle((OURS, TRUE, *PALETTE)), strict=False
    ):
        axes.plot(lag, change, lw=1.6, color=colour, ls="-" if colour == OURS else "--", label=name)
    axes.axhline(0.0, color="black", lw=0.8)
    axes.axvline(0.0, color="black", lw=0.8)
    axes.set_xlabel("time of the post spike minus time of the pre spike, ms")
    axes.set_ylabel("change of weight")
    axes.legend(frameon=False)
    _save(figure, path)


def surface_spread(
    grid: Sequence[np.ndarray],
    change: np.ndarray,
    half: np.ndarray,
    names: tuple[str, str],
    path: Path,
) -> None:
    """delta_w over two signals, and half the width of its 95 % interval over the refits."""
    figure, axes = plt.subplots(1, 2, figsize=(9, 3.6), sharey=True, layout="constrained")
    largest, widest = float(np.abs(change).max()) or 1.0, float(half.max()) or 1.0
    for axis, values, title, colours, limits in (
        (axes[0], change, "fitted change of weight", "RdBu_r", (-largest, largest)),
        (axes[1], half, "half of its 95 % interval", "viridis", (0.0, widest)),
    ):
        mesh = axis.pcolormesh(
            *grid, values, cmap=colours, vmin=limits[0], vmax=limits[1], shading="auto"
        )
        figure.colorbar(mesh, ax=axis)
        axis.set_title(title, fontsize=10)
        axis.set_xlabel(names[0])
    axes[0].set_ylabel(names[1])
    _save(figure, path)


def against(points: Mapping[str, Sequence[tuple[float, float]]], setting: str, path: Path) -> None:
    """One line per R2 over a numeric setting: the mean over fits, and every fit as a point. Beside
    it, on a logarithmic
    axis, what is left unexplained, 1 - R2: near R2 = 1 it alone shows which setting is harder."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.8), layout="constrained")
    for (name, pairs), colour in zip(points.items(), (OURS, *PALETTE), strict=False):
        x = sorted({at for at, _ in pairs})
        for axes, values in (
            (left, pairs),
            (right, [(at, max(1.0 - value, 1e-8)) for at, value in pairs]),
        ):
            means = [float(np.mean([value for at, value in values if at == place])) for place in x]
            axes.plot(x, means, "-", color=colour, lw=1.6, label=name)
            axes.plot(*zip(*values, strict=True), "o", color=colour, ms=4, alpha=0.7)
    left.set_ylabel("held-out sessions")
    right.set_ylabel("1 - R2 (at least 1e-8)")
    right.set_yscale("log")
    for axes in (left, right):
        axes.set_xlabel(setting)
        axes.grid(alpha=0.3)
    left.legend(frameon=False, fontsize=9)
    _save(figure, path)
