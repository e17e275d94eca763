"""The coefficients of a rule: the largest terms as bars, in each of its slots or edges.

Options: `most`, how many terms are drawn; `slots`, {slot or edge: its words}.
"""

import numpy as np

from benchmarks.gallery import slide, terms
from benchmarks.gallery.finished import Finished
from benchmarks.gallery.words import Entry
from metaplast.figures.style import INK, OURS, PALETTE, Picture
from metaplast.results.coefficients import acting
from metaplast.reuse.rule_file import read_rule
from metaplast.settings.names import RULE_FILE


def draw(run: Finished, entry: Entry) -> Picture:
    """The largest terms at the top."""
    file = read_rule(run.folder / RULE_FILE)
    slots = acting(file.document, file.tensors).terms
    sizes: dict[str, float] = {}
    for values in slots.values():
        for term, value in values.items():
            sizes[term] = max(sizes.get(term, 0.0), abs(value))
    shown = sorted(sizes, key=lambda term: sizes[term])[-entry.options.get("most", 8) :]
    figure, axes = slide.panels()
    height = 0.8 / len(slots)
    words = entry.options.get("slots", {})
    for index, (slot, values) in enumerate(slots.items()):
        places = np.arange(len(shown)) + height * ((len(slots) - 1) / 2 - index)
        widths = [values.get(term, 0.0) for term in shown]
        colour = OURS if index == 0 else PALETTE[index - 1]
        axes.barh(places, widths, height, color=colour, label=words.get(slot, slot))
    axes.set_yticks(range(len(shown)), [terms.in_words(term) for term in shown])
    axes.tick_params(axis="y", length=0)
    axes.axvline(0.0, color=INK, lw=0.8)
    axes.set_xlabel("coefficient of the term")
    axes.grid(axis="x", alpha=0.3)
    if len(slots) > 1:
        axes.legend(frameon=False)
    return figure
