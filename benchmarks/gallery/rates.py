"""The rates of cells at the end of held-out lives, beside the rate that they should have."""

import numpy as np
from matplotlib.lines import Line2D

from benchmarks.gallery import slide
from benchmarks.gallery.finished import Finished
from benchmarks.gallery.words import Entry
from metaplast.figures.style import INK, OTHERS, OURS, Picture
from metaplast.settings.names import DISCOVERED

N_LIVES = 32
LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)


def draw(run: Finished, entry: Entry) -> Picture:
    """A line for every row: all cells of all lives. Option `population`: of the cells."""
    task = run.task
    dt = run.job.main.meta_problem().lifetime.dt
    figure, axes = slide.panels()
    labels = []
    for y, row in enumerate(reversed(entry.shown)):
        spikes = run.lived(row, N_LIVES).activity[entry.options["population"]]
        rates = spikes[:, -task.window :].sum(axis=1).reshape(-1) / (task.window * dt)
        low, lower, middle, upper, high = np.quantile(rates, LEVELS)
        colour = OURS if row == DISCOVERED else OTHERS
        axes.plot([low, high], [y, y], color=colour, lw=3, solid_capstyle="round")
        axes.plot([lower, upper], [y, y], color=colour, lw=12, solid_capstyle="butt")
        axes.plot(middle, y, "o", color="white", mec=colour, mew=2, ms=9)
        labels.append(entry.rows[row])
    axes.axvline(task.target, color=INK, ls="--", lw=1.5, zorder=1)
    top = (task.target, len(labels) - 0.5)
    axes.annotate("target", top, (6, 0), textcoords="offset points", va="center")
    axes.set_yticks(range(len(labels)), labels)
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(-0.6, len(labels) - 0.3)
    axes.set_xlim(left=0)
    axes.set_xlabel("rate of a cell (spikes per second)")
    axes.grid(axis="x", alpha=0.3)
    handles = [
        Line2D([], [], marker="o", color=INK, mfc="white", mew=2, ms=9, lw=0, label="median cell"),
        Line2D([], [], color=INK, lw=12, solid_capstyle="butt", label="half of the cells"),
        Line2D([], [], color=INK, lw=3, label="nine tenths"),
    ]
    figure.legend(handles=handles, loc="outside upper center", ncols=3, frameon=False)
    return figure
