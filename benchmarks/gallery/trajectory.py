"""The way of a steered point mass in one held-out life, and the distance to the target in all.

Options `every_step` and `half_width` as in `learning`.
"""

from typing import Any

import numpy as np

from benchmarks.gallery import slide
from benchmarks.gallery.finished import Finished
from benchmarks.gallery.learning import bands_of
from benchmarks.gallery.words import Entry
from metaplast.figures.style import DASHES, INK, OURS, Picture, row_styles
from metaplast.runs.row_files import LIVES, read_arrays
from metaplast.settings.names import DISCOVERED

N_LIVES = 64


def draw(run: Finished, entry: Entry) -> Picture:
    """Left: one life of the searched row. Right: the mean distance of every row over a life."""
    figure, (left, right) = slide.panels(2, width_ratios=(1, 1.3))
    _draw_way(run, left)
    bands = bands_of(run, entry, "distance")
    styles = row_styles(bands, [entry.rows[DISCOVERED]])
    for index, (words, band) in enumerate(bands.items()):
        over = index % 2  # dashed and on top, so that equal rows are both seen
        steps = np.arange(1, len(band.mean) + 1)
        colour = styles[words]["color"]
        right.fill_between(steps, band.low, band.high, color=colour, alpha=0.25, lw=0)
        style = {"color": colour, "lw": 2.5, "ls": DASHES[over], "zorder": 2 + over}
        right.plot(steps, band.mean, label=words, **style)
    steps_of_trial = run.task.trial_steps
    for trial in range(1, run.task.n_trials):
        right.axvline(trial * steps_of_trial, color=INK, lw=1, ls=":")
    right.set_xlabel("step (dotted: next target)")
    right.set_title("distance to the target")
    right.set_ylim(bottom=0)
    figure.legend(
        *right.get_legend_handles_labels(),
        loc="outside lower center",
        ncols=len(bands),
        frameon=False,
        handlelength=1.8,
        columnspacing=1.2,
    )
    return figure


def _draw_way(run: Finished, axes: Any) -> None:
    """Crosses: the targets in their order. Dot: the start."""
    lived = run.lived(DISCOVERED, N_LIVES)
    life = _middle(run, lived.tasks)
    targets = lived.tasks.targets[life]
    steps = run.task.trial_steps
    place = np.repeat(targets, steps, axis=0) - lived.activity["input"][life][:, :2]
    for trial in range(len(targets)):
        stretch = slice(trial * steps, (trial + 1) * steps + 1)
        fade = 0.35 + 0.65 * trial / max(1, len(targets) - 1)
        axes.plot(*place[stretch].T, color=OURS, lw=2.5, alpha=fade)
        axes.plot(*targets[trial], "x", color=INK, ms=11, mew=3)
        axes.annotate(str(trial + 1), targets[trial], (7, 5), textcoords="offset points")
    axes.plot(0, 0, "o", color=INK, ms=9)
    axes.set_title("one life, both actuators reversed")
    axes.set_aspect("equal")
    axes.set_xlim(-1.3, 1.3)
    axes.set_ylim(-1.3, 1.3)
    axes.set_xticks([-1, 0, 1])
    axes.set_yticks([-1, 0, 1])
    axes.set_xlabel("horizontal position")
    axes.set_ylabel("vertical position")


def _middle(run: Finished, tasks: Any) -> int:
    """The life of middle loss of the searched row, among those with both actuators reversed."""
    losses = read_arrays(run.folder / LIVES)["loss"][:N_LIVES]
    both_reversed = np.flatnonzero((tasks.signs[: len(losses)] < 0).all(axis=1))
    in_order = both_reversed[np.argsort(losses[both_reversed])]
    return int(in_order[len(in_order) // 2])
