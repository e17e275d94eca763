"""The figure of surfaces: the change of weight over two signals."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize

from metaplast.figures.section import Figure, PagePart, RulesShown, Section
from metaplast.figures.style import ON_MAP, hide, save, subplots
from metaplast.results import surfaces
from metaplast.results.numbers import json_list, number
from metaplast.results.surfaces import Surface

_TITLE = "Change of weight over two signals"
_ASKED = (
    "The change is what the rule asks for, before masks, bounds of the weights and the task's gate."
)
NONE = "No surface: the rule reads no two signals of which one takes values between 0 and 1."
_CAPTION = (
    "Red: the weight grows; blue: it shrinks; black line: no change. "
    "The darkest red and blue are the largest change of each map."
)
_COLOURS = "RdBu_r"
_MAP = 3.3
"""Inches: the width of a map, and the margins."""
_LINE = 2.8
_LEFT = 0.6
_RIGHT = 0.85
_BOTTOM = 0.5
_TITLE_SPACE = 0.45
_GAP = 0.95


def of_rules(shown: RulesShown) -> PagePart:
    """The surfaces of every rule of the first file."""
    by_entry = {}
    for entry, rule in shown.rules.items():
        above_zero = shown.above_zero.get(entry, ())
        by_entry[entry] = surfaces.surfaces(rule, above_zero, shown.spikes.get(entry, ()))
    return part(by_entry, shown.whose, shown.folder)


def part(by_entry: Mapping[str, Sequence[Surface]], whose: str, folder: Path) -> PagePart:
    """The surfaces of every slot or edge.

    Args:
        by_entry: {slot or edge: surfaces}.
        whose: a sentence that says whose rule is drawn, where there are several.
        folder: of the picture.
    """
    drawn = {}
    still = []
    for entry, each in by_entry.items():
        moving = []
        for surface in each:
            if np.any(surface.delta_w != 0.0):
                moving.append(surface)
            else:
                still.append(f"No weight of {entry} changes over {surface.x} and {surface.y}.")
        if moving:
            drawn[entry] = moving
    if not drawn:
        words = still or [NONE]
        return PagePart(Section(_TITLE, words), {})
    path = folder / "surfaces.svg"
    draw(drawn, path)
    figure = Figure(path, _alt(drawn), _CAPTION)
    plain = {}
    for entry, of_entry in drawn.items():
        plain[entry] = [_plain(surface) for surface in of_entry]
    return PagePart(Section(_TITLE, [*_words(drawn, whose), *still], figures=[figure]), plain)


def draw(drawn: Mapping[str, Sequence[Surface]], path: Path) -> None:
    """Draw heat maps of delta_w, one line per slot or edge; a black line shows where it is 0.

    Every map has its own colour scale, and its largest change stands in its title. All maps share
    one bar, and the margins are fixed: a bar for each map and a computed layout take three times
    as long.
    """
    n_columns = max(len(each) for each in drawn.values())
    width = _MAP * n_columns + _LEFT + _RIGHT
    height = _LINE * len(drawn) + _BOTTOM
    figure, grid = subplots(len(drawn), n_columns, figsize=(width, height), squeeze=False)
    figure.subplots_adjust(
        left=_LEFT / width,
        right=1 - _RIGHT / width,
        bottom=_BOTTOM / height,
        top=1 - _TITLE_SPACE / height,
        hspace=_GAP / (_LINE - _GAP),
        wspace=0.22,
    )
    for line, (entry, each) in zip(grid, drawn.items(), strict=True):
        for axes, surface in zip(line, each, strict=False):
            _map(axes, surface, entry)
        hide(list(line)[len(each) :])
    _bar(figure, width, height)
    save(figure, path)


def _map(axes: Any, surface: Surface, title: str) -> None:
    delta_w = surface.delta_w
    x = surface.x_values
    y = surface.y_values
    finite = delta_w[np.isfinite(delta_w)]
    limit = float(np.abs(finite).max(initial=0.0)) or 1.0
    half_x = (x[1] - x[0]) / 2
    half_y = (y[1] - y[0]) / 2
    edges = (x[0] - half_x, x[-1] + half_x, y[0] - half_y, y[-1] + half_y)
    axes.imshow(
        delta_w / limit, cmap=_COLOURS, vmin=-1, vmax=1, origin="lower", aspect="auto", extent=edges
    )
    is_graded = min(len(x), len(y)) > len(surfaces.SPIKES)
    if is_graded and delta_w.min() < 0 < delta_w.max():
        axes.contour(x, y, delta_w, levels=[0.0], colors=ON_MAP, linewidths=1)
    if len(x) == len(surfaces.SPIKES):
        axes.set_xticks(surfaces.SPIKES)
    if len(y) == len(surfaces.SPIKES):
        axes.set_yticks(surfaces.SPIKES)
    axes.set_xlabel(surface.x, fontsize=9, labelpad=1)
    axes.set_ylabel(surface.y, fontsize=9, labelpad=1)
    axes.set_title(f"{title}\nlargest change {number(limit)} per step", fontsize=9)


def _bar(figure: Any, width: float, height: float) -> None:
    """One bar for all maps, beside the first: the change as a share of the largest of its map."""
    tall = _LINE - _GAP
    low = height - _TITLE_SPACE - tall
    space = figure.add_axes(
        (1 - 0.7 / width, low / height, 0.12 / width, tall / height), label="bar"
    )
    colours = ScalarMappable(Normalize(-1, 1), _COLOURS)
    bar = figure.colorbar(colours, cax=space, ticks=[-1, 0, 1])
    bar.ax.set_yticklabels(["shrinks", "0", "grows"], fontsize=8)


def _words(drawn: Mapping[str, Sequence[Surface]], whose: str) -> list[str]:
    every: list[Surface] = []
    for of_entry in drawn.values():
        every += of_entry
    step = f"What one step of {every[0].dt:g} s would change at a single synapse."
    held = dict.fromkeys(
        f"{surface.x} and {surface.y} vary, {_held(surface.held)}" for surface in every
    )
    words = [
        f"{step} {_ASKED} {whose}".strip(),
        f"Signals that are no axis are held: {'; '.join(held)}. "
        "Sums over other synapses (such as predicted) are held like any other signal.",
    ]
    if any(surface.stateful for surface in every):
        words.append(
            "The rule has state (traces or moments): "
            "this is its first step, from the state at birth."
        )
    if any(surface.averaged for surface in every):
        words.append("The rule holds a number per synapse: the surface is that of their means.")
    return words


def _held(held: Mapping[str, float]) -> str:
    values = ", ".join(f"{name} = {value:g}" for name, value in held.items())
    return values or "nothing else is read"


def _alt(drawn: Mapping[str, Sequence[Surface]]) -> str:
    words = []
    for entry, each in drawn.items():
        for surface in each:
            least = number(surface.delta_w.min(), ".3g")
            largest = number(surface.delta_w.max(), ".3g")
            words.append(f"{entry} over {surface.x} and {surface.y}, {least} to {largest}")
    return f"Heat maps of the change of weight: {', '.join(words)}"


def _plain(surface: Surface) -> dict[str, Any]:
    return {
        "x": surface.x,
        "y": surface.y,
        "held": surface.held,
        "dt": surface.dt,
        "first_step_of_state": surface.stateful,
        "means_of_synapses": surface.averaged,
        "x_values": json_list(surface.x_values),
        "y_values": json_list(surface.y_values),
        "delta_w": [json_list(row) for row in surface.delta_w],
    }
