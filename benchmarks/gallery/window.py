"""The spike-timing window of a fitted rule, beside the one that made the data."""

from pathlib import Path

import numpy as np

from benchmarks.gallery import slide
from benchmarks.gallery.finished import Finished
from benchmarks.gallery.words import Entry
from metaplast.figures import spike_windows
from metaplast.figures.style import Picture
from metaplast.results.windows import pairs
from metaplast.reuse.load import load_rule
from metaplast.settings.names import RULE_FILE

LAGS_MS = 100
"""The largest time between the two spikes, on either side."""


def draw(run: Finished, entry: Entry) -> Picture:
    """Solid: fitted; dashed: the rule that made the data."""
    fitted = load_rule(run.folder / RULE_FILE)
    task = run.task
    (true,) = task.truth().rules.values()
    dt = task.seconds()
    lags = np.arange(-round(1e-3 * LAGS_MS / dt), round(1e-3 * LAGS_MS / dt) + 1)
    curves = {
        "fitted": pairs(fitted.spec, fitted.theta, dt, lags, fitted.reads),
        "true": pairs(true, {}, dt, lags, fitted.reads),
    }

    def into(path: Path) -> None:
        in_thousandths = {}
        for name, changes in curves.items():
            in_thousandths[name] = (1e3 * dt * lags, 1e3 * np.asarray(changes))
        spike_windows.draw(in_thousandths, None, path)

    figure = slide.redrawn(into)
    (axes,) = figure.axes
    axes.set_xlabel("postsynaptic minus presynaptic spike time (ms)")
    axes.set_ylabel("weight change by a pair (thousandths)")
    for line, width in zip(axes.lines, (5.0, 2.5), strict=False):
        line.set_linewidth(width)
    axes.legend(frameon=False, fontsize=slide.LETTERS)
    return figure
