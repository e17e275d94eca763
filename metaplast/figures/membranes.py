"""The figure of membrane potentials: a line for each cell, its threshold and its spikes."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from metaplast.figures.populations import colours, in_order, thinned
from metaplast.figures.style import OTHERS, Picture, subplots
from metaplast.registry import BadInput

MOST_PANELS = 12
MOST_STEPS = 2000
"""Steps of a figure that is given no window: the last ones."""
MOST_POINTS = 1500
"""Points of a line; a longer one is thinned."""
MOST_TICKS = 2000
"""Spikes of a cell that are drawn as lines in an SVG; more of them become an image."""


def draw(
    potentials: Mapping[str, np.ndarray],
    spikes: Mapping[str, np.ndarray],
    dt: float,
    thresholds: Mapping[str, float],
    signs: Mapping[str, int],
    cells: Mapping[str, np.ndarray],
    window: tuple[float, float] | None = None,
) -> Picture:
    """The potential of some cells, one below the other; ticks on top are spikes.

    Args:
        potentials: {population: potential [n_steps, n_cells], in the unit of its neuron}.
        spikes: {population: [n_steps, n_cells], not 0 where a cell spikes}; a population may lack.
        dt: seconds of a step.
        thresholds: {population: the potential at which a cell at rest spikes}, drawn dashed.
        signs: {population: +1 excitatory, -1 inhibitory, 0 neither}.
        cells: {population: the cells that are drawn}; MOST_PANELS in all.
        window: the stretch of time (from, to) in seconds; None: the last MOST_STEPS steps.

    Raises: BadInput where no cell is to be drawn.
    """
    rows = []
    for name, of_population in in_order(cells, signs).items():
        for cell in of_population:
            rows.append((name, int(cell)))
    rows = rows[:MOST_PANELS]
    if not rows:
        raise BadInput("no cell", "the potential of a cell or more", "name a population with cells")
    figure, grid = subplots(
        len(rows),
        1,
        figsize=(8.0, 0.9 + 1.05 * len(rows)),
        sharex=True,
        squeeze=False,
        layout="constrained",
    )
    colour = colours(list(potentials), signs)
    n_steps = max(map(len, potentials.values()))
    label = "time, s"
    if window is None:
        window = (dt * (max(0, n_steps - MOST_STEPS) - 0.5), dt * n_steps)
        if n_steps > MOST_STEPS:
            label += f", the last {dt * MOST_STEPS:g} of {dt * n_steps:g}"
    for axes, (name, cell) in zip(grid[:, 0], rows, strict=True):
        values = np.asarray(potentials[name], float)[:, cell]
        times = dt * np.arange(len(values))
        of_cell = np.nan_to_num(spikes[name][:, cell]) if name in spikes else np.zeros(len(values))
        inside = (times >= window[0]) & (times < window[1])
        times, values, of_cell = times[inside], values[inside], of_cell[inside]
        _panel(axes, times, values, of_cell, thresholds.get(name), colour[name])
        axes.set_ylabel(f"{name} {cell}", fontsize=9, color=colour[name])
    if thresholds:
        label += " (dashed: threshold)"
    grid[-1, 0].set_xlabel(label)
    return figure


def _panel(
    axes: Any,
    times: np.ndarray,
    values: np.ndarray,
    spikes: np.ndarray,
    threshold: float | None,
    colour: str,
) -> None:
    """Draw one cell."""
    n_broken = int((~np.isfinite(values)).sum())
    finite = values[np.isfinite(values)]
    line = thinned(times, np.where(np.isfinite(values), values, np.nan), MOST_POINTS)
    axes.plot(line.time, line.values, lw=0.9, color=colour)
    reached = list(finite[[finite.argmin(), finite.argmax()]]) if len(finite) else [0.0]
    if threshold is not None:
        axes.axhline(threshold, color=OTHERS, lw=0.9, ls="--")
        reached.append(threshold)
    low, high = min(reached), max(reached)
    span = (high - low) or 1.0
    at = times[spikes > 0]
    bottom, top, gap = high + 0.14 * span, high + 0.28 * span, np.nan
    ends = np.tile([bottom, top, gap], len(at))
    is_image = len(at) > MOST_TICKS
    axes.plot(np.repeat(at, 3), ends, lw=1.0, color=colour, rasterized=is_image)
    axes.set_ylim(low - 0.08 * span, high + 0.36 * span)
    if n_broken:
        words = f"{n_broken} of {len(values)} steps not finite"
        axes.text(0.99, 0.06, words, transform=axes.transAxes, ha="right", va="bottom", fontsize=8)
    if len(times):
        axes.set_xlim(times[0], times[-1] if len(times) > 1 else times[0] + 1e-3)
