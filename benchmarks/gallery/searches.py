"""The searches of several rows: accuracy on training lives over the outer steps."""

import numpy as np

from benchmarks.gallery import ends, slide
from benchmarks.gallery.finished import Finished
from benchmarks.gallery.words import Entry
from metaplast.figures.style import OTHERS, OURS, Picture
from metaplast.runs import metrics
from metaplast.runs.folder import row_folder
from metaplast.runs.metrics import METRICS
from metaplast.settings.names import DISCOVERED

WINDOW = 5
"""Outer steps of the running mean."""


def draw(run: Finished, entry: Entry) -> Picture:
    """A dot for every outer step, a line for the mean of five."""
    figure, axes = slide.panels()
    lines = []
    for row in entry.shown:
        values = np.asarray(metrics.values(row_folder(run.folder, row) / METRICS, "accuracy"))
        steps = np.arange(1, len(values) + 1)
        colour = OURS if row == DISCOVERED else OTHERS
        axes.plot(steps, values, ".", color=colour, ms=4, alpha=0.35)
        width = min(WINDOW, len(values))
        mean = np.convolve(values, np.full(width, 1.0 / width), "valid")
        lines += axes.plot(steps[width - 1 :], mean, color=colour, lw=3, label=entry.rows[row])
    axes.set_xlabel("outer step")
    axes.set_ylabel("accuracy on training lives")
    axes.grid(alpha=0.3)
    axes.set_ylim(axes.get_ylim())  # final, before words are placed by them
    ends.label(axes, lines)
    return figure
