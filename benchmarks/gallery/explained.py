"""Deviance explained on held-out values by every family of rules, with 95 % intervals.

Option `nulls`: {name of the null: its words}, those that are drawn, one panel each.
"""

from pathlib import Path

from benchmarks.gallery import slide
from benchmarks.gallery.finished import Finished
from benchmarks.gallery.words import Entry
from metaplast.figures import explained
from metaplast.figures.style import Picture
from metaplast.settings.names import DISCOVERED


def draw(run: Finished, entry: Entry) -> Picture:
    """One panel for every null, one line for every family."""
    fit = run.fitted
    nulls = entry.options["nulls"]
    shares = {}
    for row in entry.shown:
        of_row = fit.rows[row].explained
        shares[entry.rows[row]] = {words: of_row[null] for null, words in nulls.items()}

    def into(path: Path) -> None:
        explained.draw(shares, path, entry.rows[DISCOVERED], fit.data.heldout_by)

    figure = slide.redrawn(into)
    for axes in figure.axes:
        axes.set_ylim(-0.6, len(shares) - 0.4)
        for line in axes.lines:
            line.set_linewidth(1.5 * line.get_linewidth())
            line.set_markersize(1.8 * line.get_markersize())
    figure.supxlabel(
        f"share of deviance explained, {_count(run)} held-out {fit.data.heldout_by}",
        fontsize=slide.LETTERS,
    )
    return figure


def _count(run: Finished) -> int:
    return next(iter(run.fitted.discovered.explained.values())).n
