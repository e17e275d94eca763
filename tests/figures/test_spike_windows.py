"""The curve of a window has a gap where both spikes come at once; a level has none."""

import re
from pathlib import Path

import numpy as np

from metaplast.figures.spike_windows import broken, curves_of, figure_of, part
from metaplast.figures.style import TRUE
from metaplast.results.windows import SpikeWindow


def test_a_window_is_broken_at_lag_0() -> None:
    lags = np.array([-2.0, -1.0, 0.0, 1.0, 2.0])
    change = np.array([-1.0, -2.0, 5.0, 2.0, 1.0])
    shown_lags, shown = broken(lags, change)
    assert np.array_equal(shown_lags, [-2.0, -1.0, np.nan, 1.0, 2.0], equal_nan=True)
    assert np.array_equal(shown, [-1.0, -2.0, np.nan, 2.0, 1.0], equal_nan=True)


def window(alone: float) -> SpikeWindow:
    lags = 1e-3 * np.arange(-3, 4)
    return SpikeWindow(lags=lags, pair=np.sin(lags * 1e3), alone=alone, gated=False)


def test_the_change_by_both_spikes_alone_is_a_line_across_the_picture(tmp_path: Path) -> None:
    part({"rule": window(-0.5)}, tmp_path)
    drawing = (tmp_path / "windows.svg").read_text()
    widest = 0.0
    for path, style in re.findall(r'<path d="([^"]*)"[^>]*style="([^"]*)"', drawing):
        ends = re.fullmatch(r"M ([\d.]+) ([\d.]+) L ([\d.]+) \2", " ".join(path.split()))
        if ends is not None and "stroke-dasharray" in style and f"stroke: {TRUE}" in style:
            widest = max(widest, float(ends[3]) - float(ends[1]))
    assert widest > 200


def test_the_legend_lies_beside_the_curves(tmp_path: Path) -> None:
    figure = figure_of(curves_of({"a to b": window(0.1), "b to a": window(0.2)}))
    (axes,) = figure.axes
    figure.canvas.draw()
    legend = axes.get_legend()
    assert legend is not None
    assert legend.get_window_extent().x0 >= axes.get_window_extent().x1
