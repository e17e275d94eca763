"""Learning within a life: the score over the steps of a life, beside tuned baselines.

Options: `metric` of the steps, `x` and `y` the words of the axes, `ticks` of the vertical axis,
`every_step` where steps count that the score leaves out, `half_width` of the moving mean, `level`
with `level_words`: a dashed line.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from benchmarks.gallery import ends, slide
from benchmarks.gallery.finished import Finished
from benchmarks.gallery.words import Entry
from metaplast.figures import learning_curves
from metaplast.figures.style import INK, OTHERS, Picture
from metaplast.results import curves
from metaplast.settings.names import DISCOVERED

WIDER = 1.6
"""Lines of a slide are wider than those of a page."""
ABOVE = 3.0
SHORT = 0.1
"""Phases below this share of a life have no name in the figure."""


def draw(run: Finished, entry: Entry) -> Picture:
    """The moving mean over held-out lives with its 95 % band; plastic phases are shaded."""
    phases = run.phases
    bands = bands_of(run, entry, entry.options.get("metric", "accuracy"))
    ours = [entry.rows[DISCOVERED]]
    y = entry.options.get("y", entry.metric)
    figure = slide.redrawn(lambda path: learning_curves.draw(bands, phases, y, path, ours))
    (axes,) = figure.axes
    figure.legends[0].remove()
    _name_phases(axes, phases)
    axes.set_xlabel(entry.options["x"])
    if "ticks" in entry.options:
        axes.set_yticks(entry.options["ticks"])
    curves_of_rows = list(axes.lines)
    for line, band in zip(curves_of_rows, axes.collections, strict=True):
        line.set_linewidth(WIDER * line.get_linewidth())
        if line.get_label() not in ours:
            line.set_zorder(ABOVE)  # where two rows are equal, both are seen
        if line.get_label() == entry.rows.get("no_plasticity"):
            line.set_color(OTHERS)
            band.set_color(OTHERS)
    if "level" in entry.options:
        level = entry.options["level"]
        axes.axhline(level, color=INK, lw=1.5, ls="--")
        axes.text(axes.get_xlim()[1], level, entry.options["level_words"], ha="right", va="bottom")
    if len(bands) > 1:
        ends.label(axes, curves_of_rows)
    return figure


def _name_phases(axes: Any, phases: Sequence[tuple[int, bool]]) -> None:
    """Leave out the names of short phases, whose words would overlap, and of a phase alone."""
    n_steps = sum(length for length, _ in phases)
    for words, (length, _) in zip(list(axes.texts), phases, strict=True):
        if length == n_steps or length < SHORT * n_steps:
            words.remove()
    if len(phases) == 1:
        for shade in list(axes.patches):
            shade.remove()


def bands_of(run: Finished, entry: Entry, metric: str) -> dict[str, curves.Band]:
    """{words of a row: its mean over lives at every step, with the 95 % band}."""
    n_steps = sum(length for length, _ in run.phases)
    half_width = entry.options.get("half_width", curves.half_width(n_steps))
    bands = {}
    for row in entry.shown:
        steps = run.steps(row)[metric]
        if entry.options.get("every_step"):
            steps = steps._replace(weight=np.ones_like(steps.weight))
        bands[entry.rows[row]] = curves.band([steps], run.phases, half_width)
    return bands
