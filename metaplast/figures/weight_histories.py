"""The figure of weights over time: the quantiles of each edge, and single synapses."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from metaplast.figures.populations import thinned
from metaplast.figures.style import INK, OURS, PALETTE, Picture, hide, subplots
from metaplast.inspection.spiking_life import spread
from metaplast.registry import BadInput

LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)
MOST_SINGLE = 6
"""Synapses of an edge that have a line of their own."""
MOST_LINES = 36
"""Such lines of a figure; where there are many edges, each has fewer."""
MOST_POINTS = 240
MOST_COLUMNS = 3


class History(NamedTuple):
    """The weights of an edge over time.

    time: seconds at each point [n_points].
    quantiles: LEVELS of its weights [n_points, n_levels].
    single: weights of some synapses [n_points, n].
    n_synapses: synapses of the edge.
    n_broken: synapses with a weight that is not finite, which the quantiles leave out.
    """

    time: np.ndarray
    quantiles: np.ndarray
    single: np.ndarray
    n_synapses: int
    n_broken: int


def history(time: np.ndarray, weights: np.ndarray) -> History:
    """The history of all weights of an edge.

    Quantiles are taken at MOST_POINTS points, evenly spread over the time, over the synapses whose
    weights are all finite.

    Args:
        time: seconds at each point [n_points].
        weights: [n_points, n_synapses].
    """
    weights = np.asarray(weights, float)
    if weights.ndim != 2 or len(weights) != len(time) or not weights.size:
        raise BadInput(
            f"weights of shape {weights.shape} at {len(time)} times",
            "[n_times, n_synapses]",
            "give the weights after each step",
        )
    points = spread(len(time), MOST_POINTS)
    broken = ~np.isfinite(weights).all(axis=0)
    whole = weights[points][:, ~broken]
    quantiles = np.full((len(points), len(LEVELS)), np.nan)
    if whole.size:
        quantiles = np.quantile(whole, LEVELS, axis=1).T
    return History(
        time=np.asarray(time)[points],
        quantiles=quantiles,
        single=np.where(np.isfinite(weights), weights, np.nan)[points][
            :, spread(weights.shape[1], MOST_SINGLE)
        ],
        n_synapses=weights.shape[1],
        n_broken=int(broken.sum()),
    )


def draw(histories: Mapping[str, History]) -> Picture:
    """The weights of edges over time, a panel for each edge.

    Dark and light band: the middle half and the middle nine tenths of the weights. Thick line:
    their median. Thin lines: single synapses. The key below says so.

    Args:
        histories: {edge: its history}.

    Raises: BadInput where there is no edge.
    """
    if not histories:
        raise BadInput("no edge", "the weights of an edge or more", "name an edge")
    n_columns = min(len(histories), MOST_COLUMNS)
    n_rows = -(-len(histories) // n_columns)
    width = 6.4 if n_columns == 1 else 3.9 * n_columns
    figure, grid = subplots(
        n_rows, n_columns, figsize=(width, 3.1 * n_rows), layout="constrained", squeeze=False
    )
    panels = list(grid.ravel())
    most = max(1, MOST_LINES // len(histories))
    for axes, (name, each) in zip(panels, histories.items(), strict=False):
        low, lower, middle, upper, high = each.quantiles.T
        axes.fill_between(each.time, low, high, color=OURS, alpha=0.15, lw=0)
        axes.fill_between(each.time, lower, upper, color=OURS, alpha=0.3, lw=0)
        for index, single in enumerate(each.single.T[:most]):
            line = thinned(each.time, single, MOST_POINTS)
            axes.plot(line.time, line.values, lw=0.8, color=PALETTE[index % len(PALETTE)])
        axes.plot(each.time, middle, lw=2.0, color=INK)
        words = f"{name}, {each.n_synapses} synapses"
        if each.n_synapses == 1:
            words = f"{name}, 1 synapse"
        if each.n_broken:
            words += f", {each.n_broken} of them not finite"
        axes.set_title(words, fontsize=9)
        axes.set_xlabel("time, s")
        axes.set_ylabel("weight")
        if len(each.time) > 1:
            axes.set_xlim(each.time[0], each.time[-1])
    hide(panels[len(histories) :])
    figure.legend(handles=_key(), loc="outside lower center", ncols=4, fontsize=8, frameon=False)
    return figure


def _key() -> list[Patch | Line2D]:
    """What the bands and lines of a panel are, in the order in which they are drawn."""
    return [
        Patch(color=OURS, alpha=0.15, lw=0, label="middle nine tenths"),
        Patch(color=OURS, alpha=0.45, lw=0, label="middle half"),
        Line2D([], [], color=INK, lw=2.0, label="median"),
        Line2D([], [], color=PALETTE[0], lw=0.8, label="single synapses"),
    ]
