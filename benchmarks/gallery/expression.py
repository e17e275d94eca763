"""The expression that a search over trees found, above the error of it and of known ones."""

import textwrap

from benchmarks.gallery import scores, terms
from benchmarks.gallery.finished import Finished
from benchmarks.gallery.words import Entry
from metaplast.figures.style import OURS, Picture

LARGE = 18.0  # points of the formula
WIDTH = 56  # characters of its lines


def draw(run: Finished, entry: Entry) -> Picture:
    """The scores of all rows under the formula of the searched one."""
    figure = scores.draw(run, entry)
    rule = run.training.rule
    if rule is not None:
        lines = terms.formula(rule.formula).splitlines()
        words = "\n".join(textwrap.fill(line, WIDTH) for line in lines)
        figure.suptitle(words, color=OURS, fontsize=LARGE)
    return figure
