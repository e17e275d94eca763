"""The expression that a search over trees found, above the error of it and of known ones."""

from benchmarks.gallery import scores, slide
from benchmarks.gallery.finished import Finished
from benchmarks.gallery.words import Entry
from metaplast.figures.style import OURS, Picture


def draw(run: Finished, entry: Entry) -> Picture:
    """The scores of all rows under the formula of the searched one."""
    figure = scores.draw(run, entry)
    rule = run.training.rule
    if rule is not None:
        figure.suptitle(rule.formula, color=OURS, fontsize=slide.LETTERS)
    return figure
