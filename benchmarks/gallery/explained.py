"""Deviance explained on held-out values by every family of rules, with 95 % intervals.

Option `nulls`: {name of the null: its words}, those that are drawn, one panel each.
"""

import numpy as np

from benchmarks.gallery import intervals, slide
from benchmarks.gallery.finished import Finished
from benchmarks.gallery.words import Entry
from metaplast.figures.style import INK, Picture
from metaplast.settings.names import DISCOVERED

CUT = (-1.0, 1.0)
"""The most that can be explained, and as much lost."""


def draw(run: Finished, entry: Entry) -> Picture:
    """One panel for every null, one line for every family."""
    fit = run.fitted
    nulls = entry.options["nulls"]
    figure, grid = slide.panels(len(nulls), sharey=True)
    panels = np.atleast_1d(grid)
    for axes, (null, words) in zip(panels, nulls.items(), strict=True):
        lines = []
        for row in entry.shown:
            share = fit.rows[row].explained[null]
            is_ours = row == DISCOVERED
            lines.append(intervals.Estimate(entry.rows[row], share.mean, share.ci95, is_ours))
        intervals.draw(axes, lines, ".2f", CUT)
        axes.axvline(0.0, color=INK, lw=1.2, zorder=0)
        axes.set_title(f"against {words}")
    count = next(iter(fit.discovered.explained.values())).n
    words = f"share of deviance explained, {count} held-out {fit.data.heldout_by}"
    figure.supxlabel(words, fontsize=slide.LETTERS)
    return figure
