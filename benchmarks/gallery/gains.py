"""Paired gains: how much better the rule is than other rows, each with its 95 % interval."""

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.lines import Line2D

from benchmarks.gallery import slide, terms
from benchmarks.gallery.finished import Finished
from benchmarks.gallery.words import Entry
from metaplast.figures import gains
from metaplast.figures.style import INK, OTHERS, OURS, Picture
from metaplast.results.changed_world import better_by
from metaplast.results.table import RowFacts


def draw(run: Finished, entry: Entry) -> Picture:
    """A line for every row, the row that is best at the bottom."""
    scores = run.scores
    ends = {}
    facts = {}
    for row in entry.shown:
        gain = better_by(scores[row])
        words = entry.rows[row]
        ends[words] = np.asarray([gain.mean, *gain.ci95], float)
        facts[words] = RowFacts(run.training.rows[row])
    any_row = scores[entry.shown[0]]

    def into(path: Path) -> None:
        gains.draw(ends, facts, any_row.metric, path)

    figure = slide.redrawn(into)
    (axes,) = figure.axes
    left = min(float(np.nanmin(values)) for values in ends.values())
    axes.set_xlim(left=max(axes.get_xlim()[0], min(-0.02 * axes.get_xlim()[1], 1.15 * left)))
    labels = []
    for tick in axes.get_yticklabels():
        row, gain = tick.get_text().rsplit(maxsplit=1)
        labels.append(f"{row}\N{EM SPACE}{terms.number(float(gain), '+.3f')}")
    axes.set_yticks(axes.get_yticks(), labels)
    words = f"gain of the searched rule over each row ({entry.metric})"
    figure.supxlabel(words, fontsize=slide.LETTERS)
    handles = [Line2D([], [], color=OURS, lw=2, label="searched rule")]
    tuned: dict[str, Any] = {"color": INK, "label": "tuned by the same search"}
    other: dict[str, Any] = {"color": OTHERS, "mfc": "white", "label": "not tuned"}
    colours = {line.get_color() for line in axes.lines}
    for style in (tuned, other):
        if style["color"] in colours:
            handles.append(Line2D([], [], marker="o", lw=2.5, **style))
    figure.legend(
        handles=handles,
        loc="outside upper center",
        ncols=len(handles),
        columnspacing=1.2,
        fontsize=slide.LETTERS,
        frameon=False,
    )
    return figure
