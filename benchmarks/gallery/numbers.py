"""The numbers of a fitted rule with their 95 % intervals, beside the true ones where known."""

from pathlib import Path

from benchmarks.gallery import slide, terms
from benchmarks.gallery.finished import Finished
from benchmarks.gallery.words import Entry
from metaplast.figures import fit_numbers
from metaplast.figures.style import Picture


def draw(run: Finished, entry: Entry) -> Picture:
    """The largest number at the top. Option `most`: how many are drawn."""
    fit = run.fitted
    found = {}
    for name, value in fit.discovered.numbers.items():
        if value is not None:
            found[terms.in_words(name)] = value
    in_order = sorted(found, key=lambda name: -abs(found[name]))[: entry.options.get("most", 8)]
    bounds = {terms.in_words(name): ends for name, ends in fit.number_bounds.items()}
    true = {}
    for one in fit.truth or []:
        if one.true:
            true[terms.in_words(one.name)] = one.true

    def into(path: Path) -> None:
        fit_numbers.draw({name: found[name] for name in in_order}, bounds, true, path)

    figure = slide.redrawn(into)
    (axes,) = figure.axes
    for line in axes.lines:
        line.set_markersize(1.4 * line.get_markersize())
    lines = len(axes.get_yticks())
    axes.set_ylim(-0.6, lines - 0.4)
    axes.set_xlabel("coefficient of the term, times the rate")
    if true:
        axes.legend(frameon=False, fontsize=slide.LETTERS)
    return figure
