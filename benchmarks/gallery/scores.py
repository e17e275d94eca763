"""Scores: the mean of every row on held-out lives with its 95 % interval."""

from benchmarks.gallery import intervals, slide
from benchmarks.gallery.finished import Finished
from benchmarks.gallery.words import Entry
from metaplast.figures.style import Picture
from metaplast.settings.names import DISCOVERED


def draw(run: Finished, entry: Entry) -> Picture:
    """A line for every row, the best at the top, the searched rule in its colour.

    Option `log`: a logarithmic axis.
    """
    lines = []
    for row in entry.shown:
        score = run.scores[row]
        is_ours = row == DISCOVERED
        lines.append(intervals.Estimate(entry.rows[row], score.mean, score.ci95, is_ours))
    of_ours = run.scores[DISCOVERED]
    lines.sort(key=lambda line: line.mean or 0.0, reverse=of_ours.metric == "accuracy")
    figure, axes = slide.panels()
    if entry.options.get("log"):
        axes.set_xscale("log")
    intervals.draw(axes, lines, "#.3g")
    axes.margins(x=0.14)
    axes.set_xlabel(f"{entry.metric}, {of_ours.n} held-out lives")
    return figure
