"""The figure of landscapes: the change of weight over the signals that matter most in the task."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import ScalarFormatter
from scipy.ndimage import gaussian_filter

from metaplast.figures.section import Figure, PagePart, Section
from metaplast.figures.style import ON_DEEP_MAP, ON_MAP, hide, save, subplots
from metaplast.inspection.landscape import LEVELS, WIDTH, Landscape
from metaplast.results.numbers import json_list, number

_TITLE = "Change of weight in the task"
CAPTION = (
    "Red: the weight grows; blue: it shrinks; black line: no change. Axes have the range that "
    "lives reach. Dotted line: inside are 90 % of the visits at about the map's value of the third "
    f"signal (within {WIDTH:g} percentiles of it), with counts smoothed over neighbouring cells. "
    "Grey: no followed synapse met values within three cells of these. The maps of a line share "
    "one colour scale."
)
MOST = 0.9
"""The share of visits inside the dotted line."""
_BORDER = "#444444"
_VEIL = "#c4c4c4"
"""The grey of `_veil` on white, in the key."""


def part(by_entry: Mapping[str, Landscape | None], whose: str, folder: Path) -> PagePart:
    """The landscapes of every slot or edge.

    Args:
        by_entry: {slot or edge: landscape}; None where fewer than two signals vary.
        whose: a sentence that says whose rule is drawn, where there are several.
        folder: of the picture.
    """
    drawn = {entry: each for entry, each in by_entry.items() if each is not None}
    if not drawn:
        words = "Fewer than two signals that the rule reads vary in its task: no landscape."
        return PagePart(Section(_TITLE, [words]), {})
    path = folder / "landscape.svg"
    draw(drawn, path)
    figure = Figure(path, _alt(drawn), CAPTION)
    numbers = {entry: _plain(each) for entry, each in drawn.items()}
    return PagePart(Section(_TITLE, _words(drawn, whose), figures=[figure]), numbers)


def draw(drawn: Mapping[str, Landscape], path: Path) -> None:
    """Draw heat maps of delta_w, one line per slot or edge, one map per value of the third signal.

    Args:
        drawn: {slot or edge: landscape}.
        path: of the picture.
    """
    n_columns = max(len(each.panels) for each in drawn.values())
    figure, grid = subplots(
        len(drawn),
        n_columns,
        figsize=(3.4 * n_columns + 1.0, 3.3 * len(drawn)),
        layout="constrained",
        squeeze=False,
    )
    for line, (entry, each) in zip(grid, drawn.items(), strict=True):
        _line(figure, list(line), entry, each)
    figure.legend(
        handles=_key(),
        loc="outside lower center",
        ncols=3,
        fontsize=8,
        facecolor=ON_DEEP_MAP,
        labelcolor=ON_MAP,
        framealpha=1.0,
    )
    save(figure, path)


def _key() -> list[Patch | Line2D]:
    """What the lines and the grey of a map are; on a light ground, as a map has in the dark too."""
    return [
        Line2D([], [], color=ON_MAP, lw=1, label="no change"),
        Line2D([], [], color=_BORDER, ls="dotted", label=f"inside: {100 * MOST:g} % of the visits"),
        Patch(color=_VEIL, lw=0, label="no visit"),
    ]


def _line(figure: Any, line: list[Any], entry: str, each: Landscape) -> None:
    """The maps of one slot or edge."""
    values = np.stack([panel.delta_w for panel in each.panels])
    limit = float(np.abs(values[np.isfinite(values)]).max(initial=0.0)) or 1.0
    image = None
    for axes, panel in zip(line, each.panels, strict=False):
        grid = (each.x_values, each.y_values, panel.delta_w)
        image = axes.pcolormesh(*grid, cmap="RdBu_r", vmin=-limit, vmax=limit, rasterized=True)
        if panel.delta_w.min() < 0 < panel.delta_w.max():
            axes.contour(*grid, levels=[0.0], colors=ON_MAP, linewidths=1)
        _veil(axes, each, panel.visited)
        axes.set_xlabel(each.x)
        axes.set_ylabel(each.y)
        title = entry
        if panel.third is not None:
            title = f"{entry}\n{each.third} = {panel.third:.3g}"
        axes.set_title(title, fontsize=9)
    hide(line[len(each.panels) :])
    ticks = ScalarFormatter()
    ticks.set_powerlimits((-2, 3))
    bar = figure.colorbar(image, ax=line[: len(each.panels)], format=ticks)
    bar.set_label("change of weight per step", fontsize=8)


def _veil(axes: Any, each: Landscape, visited: np.ndarray) -> None:
    """Cover the cells that no life visits, and draw a line around the cells with most visits.

    Args:
        axes: of the map.
        each: the landscape.
        visited: the share of visits in every cell.
    """
    visited = smoothed(visited)
    n_y, n_x = visited.shape
    x = np.linspace(each.x_values[0], each.x_values[-1], n_x + 1)
    y = np.linspace(each.y_values[0], each.y_values[-1], n_y + 1)
    empty = np.ma.masked_where(visited > 0, np.ones_like(visited))
    axes.pcolormesh(x, y, empty, cmap="gray", vmin=0.0, vmax=1.3, alpha=0.75, rasterized=True)
    level = _level_of_most(visited)
    if visited.min() < level < visited.max():
        centres = ((x[1:] + x[:-1]) / 2, (y[1:] + y[:-1]) / 2)
        axes.contour(*centres, visited, levels=[level], colors=_BORDER, linestyles="dotted")


def smoothed(visited: np.ndarray) -> np.ndarray:
    """The share of visits at every cell and its neighbours, at most three cells away.

    Few visits leave holes and islands of single cells, which say nothing about the rule.

    Args:
        visited: the share of visits in every cell [n_y, n_x].
    """
    return gaussian_filter(np.asarray(visited, np.float64), sigma=1.5, truncate=2.0)


def _level_of_most(visited: np.ndarray) -> float:
    """The share of visits in the least of the fullest cells that hold MOST of the visits."""
    shares = np.sort(visited.reshape(-1))[::-1]
    n = int(np.searchsorted(np.cumsum(shares), MOST * shares.sum()))
    return float(shares[min(n, len(shares) - 1)])


def _words(drawn: Mapping[str, Landscape], whose: str) -> list[str]:
    """The words of the section."""
    first = next(iter(drawn.values()))
    words = [
        f"The change that one step of {first.dt:g} s asks for at a single synapse, before masks, "
        f"bounds of the weights and the task's gate. {whose}".strip()
    ]
    for entry, each in drawn.items():
        shares = ", ".join(f"{name} {share:.2f}" for name, share in each.effects.items())
        words.append(
            f"{entry}: where one signal is shuffled over lives, the change of weight moves by this "
            f"share of its variance: {shares}. The two largest are the axes."
        )
        if each.held:
            held = ", ".join(f"{name} = {value:.3g}" for name, value in each.held.items())
            words.append(f"{entry}: all others are held at their medians in lives: {held}.")
    if any(each.third for each in drawn.values()):
        levels = ", ".join(f"{level:.0f}" for level in LEVELS)
        words.append(f"The third signal is held at its percentiles {levels}.")
    if any(each.stateful for each in drawn.values()):
        words.append(
            "The rule has state (traces or moments): this is its first step, from the state at "
            "birth."
        )
    if any(each.averaged for each in drawn.values()):
        words.append("The rule holds a number per synapse: the landscape is that of their means.")
    return words


def _alt(drawn: Mapping[str, Landscape]) -> str:
    """The words for a reader who does not see the picture."""
    words = []
    for entry, each in drawn.items():
        values = np.stack([panel.delta_w for panel in each.panels])
        least = number(values.min(), ".3g")
        largest = number(values.max(), ".3g")
        words.append(f"{entry} over {each.x} and {each.y}, {least} to {largest}")
    return f"Heat maps of the change of weight: {', '.join(words)}"


def _plain(each: Landscape) -> dict[str, Any]:
    """The numbers of a landscape as plain data."""
    panels = []
    for panel in each.panels:
        rows = [json_list(row) for row in panel.delta_w]
        cells = [json_list(row) for row in panel.visited]
        panels.append(
            {
                "third": panel.third,
                "delta_w": rows,
                "visited": cells,
                "visits": panel.n_visits,
            }
        )
    return {
        "x": each.x,
        "y": each.y,
        "third": each.third,
        "effects": each.effects,
        "held": each.held,
        "dt": each.dt,
        "first_step_of_state": each.stateful,
        "means_of_synapses": each.averaged,
        "x_values": json_list(each.x_values),
        "y_values": json_list(each.y_values),
        "panels": panels,
        "visited": [json_list(row) for row in each.visited],
    }
