"""The figure of spikes over time, cell by cell, and of the rate of each population below."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.ticker import MaxNLocator

from metaplast.figures.populations import colours, in_order
from metaplast.figures.style import DASHES, INK, PLASTIC, Picture, subplots
from metaplast.inspection.spiking_life import spread
from metaplast.results.spike_statistics import population_rate, trains

MOST_CELLS = 120
"""Cells of a population that are drawn."""
MOST_DRAWN = 1500
"""Spikes that are drawn one by one in an SVG, 90 bytes each; more of them become an image."""
MOST_SPIKES = 200_000
"""Spikes in the windows that a caller names. Where there are more, fewer cells are drawn."""
MOST_OF_A_ROW = 300
"""Spikes of a cell that can be told apart in the width of the figure."""
MOST_OF_AN_IMAGE = 30_000
"""Spikes of an image of 300 kB. Of a time with more, the begin and the end are drawn."""
N_BINS = 100
LEAST_BIN = 10e-3
"""Seconds."""

Window = tuple[float, float]


def draw(
    spikes: Mapping[str, np.ndarray],
    dt: float,
    signs: Mapping[str, int],
    windows: Sequence[Window] = (),
    most_cells: int = MOST_CELLS,
) -> Picture:
    """The spikes of populations, one above the other, and their rates over the whole time.

    Args:
        spikes: {population: [n_steps, n_cells]}, not 0 where a cell spikes.
        dt: seconds of a step.
        signs: {population: +1 excitatory, -1 inhibitory, 0 neither}.
        windows: the stretches of time (from, to) whose spikes are drawn, side by side, in seconds;
            none: those of `begin_and_end`.
        most_cells: cells of a population that are drawn, evenly spread over it.
    """
    spikes = {name: trains(values) for name, values in in_order(spikes, signs).items()}
    windows = list(windows) or begin_and_end(spikes, dt, most_cells)
    n_steps = max(map(len, spikes.values()))
    shown = windows or [(0.0, dt * n_steps)]
    kept = _cells(spikes, dt, shown, most_cells)
    n_rows = sum(len(cells) for cells in kept.values())
    height = 1.1 + 0.28 * len(spikes) + 2.6 * min(n_rows, 150) / 150
    figure, grid = subplots(
        2, len(shown), figsize=(8.0, height + 2.0), layout="constrained", squeeze=False,
        height_ratios=(height, 1.5),
    )  # fmt: skip
    colour = colours(list(spikes), signs)
    for axes, window in zip(grid[0], shown, strict=True):
        _dots(axes, spikes, dt, kept, colour, window)
    _names(grid[0, 0], spikes, kept, colour)
    for axes in grid[0, 1:]:
        axes.set_yticks([])
    if len(shown) > 1:
        for axes in grid[0]:
            axes.xaxis.set_major_locator(MaxNLocator(4, prune="both"))
    below = _whole_row(figure, grid)
    _rates(below, spikes, dt, colour)
    if windows:
        for start, stop in shown:
            below.axvspan(start, stop, color=PLASTIC, lw=0, zorder=0)
    return figure


def begin_and_end(
    spikes: Mapping[str, np.ndarray], dt: float, most_cells: int = MOST_CELLS
) -> list[Window]:
    """The first and the last stretch of a time whose spikes are too many for one figure.

    Args:
        spikes: {population: [n_steps, n_cells]}, not 0 where a cell spikes.
        dt: seconds of a step.
        most_cells: cells of a population that are drawn.

    Returns: two windows in seconds; none where the whole time can be drawn.
    """
    n_steps = max(map(len, spikes.values()))
    densest = 0.0
    n_drawn = 0.0
    for values in spikes.values():
        n_cells = max(values.shape[1], 1)
        of_a_row = np.count_nonzero(values) / n_cells
        densest = max(densest, of_a_row)
        n_drawn += of_a_row * min(n_cells, most_cells)
    share = min(MOST_OF_A_ROW / max(densest, 1.0), MOST_OF_AN_IMAGE / max(n_drawn, 1.0))
    if share >= 1.0:
        return []
    end = dt * n_steps
    length = dt * max(1, round(n_steps * share / 2))
    return [(0.0, length), (end - length, end)]


def _whole_row(figure: Any, grid: Any) -> Any:
    """One panel in place of the lower row of the grid."""
    place = grid[1, 0].get_gridspec()[1, :]
    for axes in grid[1]:
        axes.remove()
    return figure.add_subplot(place)


def _cells(
    spikes: Mapping[str, np.ndarray], dt: float, shown: Sequence[Window], most_cells: int
) -> dict[str, np.ndarray]:
    """{population: the cells that are drawn}."""
    n_spikes = 0
    for values in spikes.values():
        for start, stop in shown:
            n_spikes += np.count_nonzero(values[round(start / dt) : round(stop / dt)])
    share = min(1.0, MOST_SPIKES / max(n_spikes, 1))
    kept = {}
    for name, values in spikes.items():
        n = values.shape[1]
        kept[name] = spread(n, max(1, min(most_cells, int(share * n))))
    return kept


def _dots(
    axes: Any,
    spikes: Mapping[str, np.ndarray],
    dt: float,
    kept: Mapping[str, np.ndarray],
    colour: Mapping[str, str],
    window: Window,
) -> None:
    """Draw the spikes of a window; the first population is the lowest."""
    start, stop = window
    first = round(start / dt)
    n_rows = sum(len(cells) for cells in kept.values())
    found = {}
    for name, cells in kept.items():
        values = np.asarray(spikes[name][first : round(stop / dt)])[:, cells]
        found[name] = np.nonzero(np.nan_to_num(values))
    is_image = sum(len(steps) for steps, _ in found.values()) > MOST_DRAWN
    size = float(np.clip(190.0 / max(n_rows, 1), 1.2, 9.0))
    row = 0
    for name, (steps, cells) in found.items():
        axes.plot(
            dt * (first + steps),
            row + cells,
            "|",
            ms=size,
            mew=0.8,
            color=colour[name],
            rasterized=is_image,
        )
        row += len(kept[name])
    axes.set_xlim(start, stop)
    axes.set_ylim(-1.0, max(n_rows, 1))
    axes.set_xlabel("time, s")


def _names(
    axes: Any,
    spikes: Mapping[str, np.ndarray],
    kept: Mapping[str, np.ndarray],
    colour: Mapping[str, str],
) -> None:
    """Name the populations, with the number of their cells, beside their rows."""
    ticks = []
    labels = []
    row = 0
    for name, cells in kept.items():
        n = spikes[name].shape[1]
        number = f"{n} cells"
        if n == 1:
            number = "1 cell"
        if len(cells) < n:
            number = f"{len(cells)} of {n} cells"
        label = f"{name}\n{number}"
        n_broken = int((~np.isfinite(spikes[name])).any(axis=0).sum())
        if n_broken:
            label += f"\n{n_broken} not finite"
        if not np.any(np.nan_to_num(spikes[name])):
            label += "\nsilent"
        ticks.append(row + (len(cells) - 1) / 2)
        labels.append(label)
        row += len(cells)
    axes.set_yticks(ticks, labels, fontsize=9)
    axes.tick_params(axis="y", length=0)
    for label, name in zip(axes.get_yticklabels(), kept, strict=True):
        label.set_color(colour[name])


def _rates(
    axes: Any, spikes: Mapping[str, np.ndarray], dt: float, colour: Mapping[str, str]
) -> None:
    """Draw the rate of each population in bins."""
    n_steps = max(len(values) for values in spikes.values())
    width = dt * max(1, round(max(n_steps / N_BINS, LEAST_BIN / dt)))
    drawn = []
    for name, values in spikes.items():
        found = population_rate(values, dt, width)
        dashes = DASHES[drawn.count(colour[name]) % len(DASHES)]
        drawn.append(colour[name])
        style = {"color": colour[name], "ls": dashes, "lw": 1.4}
        axes.stairs(found.rate, found.edges, baseline=None, label=name, **style)
    axes.set_ylim(0.0, max(1.0, axes.get_ylim()[1]))
    axes.set_xlim(0.0, dt * n_steps)
    axes.set_xlabel(f"time, s (bins of {1e3 * width:.4g} ms)")
    axes.set_ylabel("rate, Hz", color=INK)
    if len(spikes) > 1:
        axes.legend(
            frameon=False,
            fontsize=8,
            ncols=len(spikes),
            loc="lower right",
            bbox_to_anchor=(1, 0.95),
        )
