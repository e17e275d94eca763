"""A search over its outer steps: the loss of training lives, and the size of their gradients."""

import numpy as np

from benchmarks.gallery import slide
from benchmarks.gallery.finished import Finished
from benchmarks.gallery.words import Entry
from metaplast.figures.style import INK, OURS, PALETTE, Picture
from metaplast.runs import metrics
from metaplast.runs.metrics import METRICS

MIDDLE = 21
"""Outer steps of the running median."""


def draw(run: Finished, entry: Entry) -> Picture:
    """Left: losses and their running median. Right: gradients of the lives, before the clip."""
    figure, (left, right) = slide.panels(2)
    losses = metrics.values(run.folder / METRICS, "loss")
    norms = metrics.values(run.folder / METRICS, "norm")
    for axes, values, colour in ((left, losses, OURS), (right, norms, PALETTE[2])):
        steps = np.arange(1, len(values) + 1)
        axes.plot(steps, values, ".", color=colour, ms=5, alpha=0.35)
        width = min(MIDDLE, len(values))
        windows = np.lib.stride_tricks.sliding_window_view(np.asarray(values), width)
        middle = np.arange(len(windows)) + (width + 1) / 2
        axes.plot(middle, np.median(windows, axis=1), color=colour, lw=3)
        axes.set_yscale("log")
        axes.set_xlabel("outer step")
        axes.grid(alpha=0.3)
    right.axhline(run.job.main.problem.life_clip, color=INK, ls="--", lw=1.5)
    right.text(1, 1.2 * run.job.main.problem.life_clip, "cut to this length", va="bottom")
    left.set_title(entry.options["left"])
    right.set_title(entry.options["right"])
    return figure
