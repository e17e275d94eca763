"""The way of the coefficients: every term of the rule over the outer steps of the search.

Option `searched`: {term: the value that is searched}; these terms have a colour, others are grey.
"""

import numpy as np

from benchmarks.gallery import slide, terms
from benchmarks.gallery.finished import Finished
from benchmarks.gallery.words import Entry
from metaplast.figures.style import INK, OTHERS, OURS, PALETTE, Picture
from metaplast.results import coefficients
from metaplast.reuse.rule_file import read_rule
from metaplast.runs import metrics
from metaplast.runs.metrics import METRICS
from metaplast.settings.names import RULE_FILE


def draw(run: Finished, entry: Entry) -> Picture:
    """A line for every term; dashed: the values that are searched."""
    file = read_rule(run.folder / RULE_FILE)
    logged = [line["theta"] for line in metrics.read(run.folder / METRICS)]
    (course,) = coefficients.path(file.document, file.tensors, logged).terms.values()
    true = entry.options["searched"]
    colours = dict(zip(true, (OURS, PALETTE[2]), strict=False))
    figure, axes = slide.panels()
    n = len(logged)
    for name in sorted(course, key=lambda name: name in colours):
        steps = np.arange(1, n + 1)
        if name not in colours:
            axes.plot(steps, course[name], color=OTHERS, lw=1.0, alpha=0.6)
            continue
        axes.axhline(true[name], color=INK, lw=1.2, ls="--")
        axes.plot(steps, course[name], color=colours[name], lw=3.0)
        x = 0.98 * n
        value = f"{course[name][-1]:.4g}".replace("-", "\N{MINUS SIGN}")
        words = f"{terms.in_words(name)}  \N{RIGHTWARDS ARROW}  {value}"
        y = true[name] - 0.05 * np.sign(true[name])
        side = "top" if true[name] > 0 else "bottom"
        axes.text(x, y, words, color=colours[name], ha="right", va=side)
    others = len(course) - len(colours)
    if others:
        axes.text(0.98 * n, 0.04, f"{others} other terms", color="#666666", ha="right", va="bottom")
    low, high = min(0.0, *true.values()), max(0.0, *true.values())
    axes.set_ylim(low - 0.15 * (high - low), high + 0.15 * (high - low))
    axes.set_xlim(0, n)
    axes.set_xlabel("outer step of the search")
    axes.set_ylabel("coefficient of the term")
    axes.grid(alpha=0.3)
    return figure
