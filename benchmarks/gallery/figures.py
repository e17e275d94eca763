"""The kinds of figures, by name."""

from collections.abc import Callable

import jax

from benchmarks.gallery import (
    descent,
    explained,
    expression,
    fields,
    gains,
    learning,
    numbers,
    paths,
    rates,
    scores,
    searches,
    slide,
    trajectory,
    window,
    worlds,
)
from benchmarks.gallery.finished import Finished
from benchmarks.gallery.words import Entry
from metaplast.api.carrying import precision_kept
from metaplast.figures.style import Picture

KINDS: dict[str, Callable[[Finished, Entry], Picture]] = {
    "descent": descent.draw,
    "explained": explained.draw,
    "expression": expression.draw,
    "fields": fields.draw,
    "gains": gains.draw,
    "learning": learning.draw,
    "numbers": numbers.draw,
    "paths": paths.draw,
    "rates": rates.draw,
    "scores": scores.draw,
    "searches": searches.draw,
    "trajectory": trajectory.draw,
    "window": window.draw,
    "worlds": worlds.draw,
}


def draw(run: Finished, entry: Entry) -> Picture:
    """The figure of a run, of the kind that its words name, drawn in the precision of the run."""
    with precision_kept(), slide.letters():
        jax.config.update("jax_enable_x64", run.job.main.precision == "float64")
        return KINDS[entry.kind](run, entry)
