"""Scores: the mean of every row on held-out lives with its 95 % interval."""

from dataclasses import replace
from pathlib import Path

from benchmarks.gallery import slide
from benchmarks.gallery.finished import Finished
from benchmarks.gallery.words import Entry
from metaplast.figures import scores
from metaplast.figures.style import Picture
from metaplast.settings.names import DISCOVERED


def draw(run: Finished, entry: Entry) -> Picture:
    """A line for every row, the best at the top, the searched rule in its colour.

    Option `log`: a logarithmic axis.
    """
    named = []
    for row in entry.shown:
        named.append(replace(run.scores[row], name=entry.rows[row]))
    named.sort(key=lambda score: score.mean, reverse=named[0].metric == "accuracy")

    def into(path: Path) -> None:
        scores.draw(named, path, [entry.rows[DISCOVERED]])

    figure = slide.redrawn(into)
    (axes,) = figure.axes
    if entry.options.get("log"):
        axes.set_xscale("log")
    axes.set_xlabel(f"{entry.metric}, {named[0].n} held-out lives")
    axes.set_ylim(-0.6, len(named) - 0.4)
    for line in axes.lines:
        line.set_linewidth(1.3 * line.get_linewidth())
        line.set_markersize(1.4 * line.get_markersize())
    return figure
