"""Figures of spiking networks: nothing is empty, hidden or too large, whatever the network did."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.colors import to_hex

from metaplast.figures import membranes, raster, spike_intervals, spiking_life, weight_histories
from metaplast.figures.populations import EXCITATORY, INHIBITORY, thinned
from metaplast.figures.style import save
from metaplast.inspection.spiking_life import SpikingLife
from metaplast.registry import BadInput
from metaplast.results.spike_statistics import intervals

DT = 1e-3
SIGNS = {"e": 1, "i": -1}


def _network(n_steps: int, n_e: int, n_i: int, rate: float = 0.01) -> dict[str, np.ndarray]:
    generator = np.random.default_rng(0)
    e = generator.random((n_steps, n_e)) < rate
    return {"i": generator.random((n_steps, n_i)) < 3 * rate, "e": e}


def _words(figure: Any) -> str:
    """Every word of a figure."""
    figure.draw_without_rendering()
    words = []
    for axes in figure.axes:
        words += [axes.get_title(), axes.get_xlabel(), axes.get_ylabel()]
        words += [text.get_text() for text in axes.texts]
        words += [text.get_text() for text in axes.get_yticklabels()]
    return "\n".join(words)


def _size(figure: Any, path: Path) -> int:
    save(figure, path)
    return path.stat().st_size


def test_every_spike_stands_at_its_time_in_its_colour() -> None:
    spikes = _network(200, 6, 3)
    figure = raster.draw(spikes, DT, SIGNS)
    dots = {to_hex(line.get_color()): line for line in figure.axes[0].lines}
    assert set(dots) == {EXCITATORY, INHIBITORY}
    for name, colour, below in (("e", EXCITATORY, 0), ("i", INHIBITORY, 6)):
        steps, cells = np.nonzero(spikes[name])
        np.testing.assert_allclose(dots[colour].get_xdata(), DT * steps)
        np.testing.assert_allclose(dots[colour].get_ydata(), below + cells)


def test_a_silent_network_and_a_cell_that_breaks_are_said() -> None:
    silent = np.zeros((100, 5))
    assert "silent" in _words(raster.draw({"e": silent}, DT, SIGNS))
    broken = silent.copy()
    broken[50:, 2] = np.nan
    assert "1 not finite" in _words(raster.draw({"e": broken}, DT, SIGNS))
    words = _words(spike_intervals.draw({"e": intervals(broken, DT)}, DT, SIGNS))
    assert "CV of 0 of 5 cells\n4 silent, 1 not finite" in words and "no interval" in words
    potentials = {"e": np.where(np.isfinite(broken), 0.3, np.nan)}
    shown = membranes.draw(potentials, {}, DT, {}, SIGNS, {"e": np.array([2])})
    assert "50 of 100 steps not finite" in _words(shown)
    weights = np.ones((9, 4))
    weights[3:, 1] = np.inf
    history = weight_histories.history(np.arange(9), weights)
    assert "4 synapses, 1 of them not finite" in _words(weight_histories.draw({"a": history}))
    (key,) = weight_histories.draw({"a": history}).legends
    shown = [words.get_text() for words in key.get_texts()]
    assert shown == ["middle nine tenths", "middle half", "median", "single synapses"]
    assert np.all(history.quantiles == 1.0)


def test_a_thousand_cells_are_small_and_those_left_out_are_counted(tmp_path: Path) -> None:
    spikes = _network(3000, 800, 200)
    figure = raster.draw(spikes, DT, SIGNS)
    assert "120 of 800 cells" in _words(figure)
    assert _size(figure, tmp_path / "raster.svg") < 300_000
    some = raster.draw(spikes, DT, SIGNS, most_cells=4)
    assert [len(np.unique(line.get_ydata())) for line in some.axes[0].lines] == [4, 4]


def test_of_a_long_time_the_begin_and_the_end_are_drawn(tmp_path: Path) -> None:
    spikes = {"e": _network(100_000, 10, 1)["e"]}
    (first, last) = raster.begin_and_end(spikes, DT)
    assert first[0] == 0.0 and last[1] == pytest.approx(100.0)
    shown = spikes["e"][: round(first[1] / DT)].sum() + spikes["e"][round(last[0] / DT) :].sum()
    assert shown / 10 == pytest.approx(raster.MOST_OF_A_ROW, rel=0.1)
    assert len(raster.draw(spikes, DT, SIGNS).axes) == 3
    values = {"e": np.random.default_rng(0).normal(size=(100_000, 3))}
    traces = membranes.draw(values, spikes, DT, {"e": 1.0}, SIGNS, {"e": np.arange(3)})
    assert "the last 2 of 100" in traces.axes[-1].get_xlabel()
    assert _size(traces, tmp_path / "traces.svg") < 300_000


def test_a_thinned_line_keeps_its_peaks() -> None:
    values = np.zeros(10_000)
    values[1234] = 5.0
    values[8000] = -2.0
    line = thinned(np.arange(10_000), values, 100)
    assert len(line.values) <= 101
    assert (line.values.max(), line.values.min()) == (5.0, -2.0)
    assert abs(line.time[line.values.argmax()] - 1234) < 200


def test_no_cell_and_no_edge_are_refused() -> None:
    with pytest.raises(BadInput, match="no cell"):
        membranes.draw({"e": np.zeros((4, 2))}, {}, DT, {}, SIGNS, {"e": np.array([], int)})
    with pytest.raises(BadInput, match="no edge"):
        weight_histories.draw({})
    with pytest.raises(BadInput, match=r"\[n_times, n_synapses\]"):
        weight_histories.history(np.arange(3), np.ones((2, 2)))


def test_a_life_that_was_cut_and_weights_that_broke_are_said(tmp_path: Path) -> None:
    spikes = _network(400, 5, 2, 0.05)
    broken = np.ones((5, 5))
    broken[3:] = np.nan
    life = SpikingLife(
        spikes=spikes,
        potentials={name: np.zeros((400, values.shape[1])) for name, values in spikes.items()},
        watched={"i": np.arange(2), "e": np.arange(5)},
        times=np.linspace(0.0, 0.4, 5),
        quantiles={"i_to_e": broken},
        single={"i_to_e": np.ones((5, 3))},
        n_synapses={"i_to_e": 10},
        thresholds={"e": 1.0},
        signs=SIGNS,
        dt=DT,
        n_whole=900,
    )
    part = spiking_life.part(life, tmp_path)
    words = " ".join(part.section.paragraphs)
    assert "Its first 400 of 900 steps" in words
    assert "Weights of i_to_e are not finite from 0.3 s on" in words
    rate = part.numbers["populations"]["e"]["rate_first_tenth_hz"]
    assert rate == pytest.approx(spikes["e"][:40].mean() / DT)
    assert [figure.path.is_file() for figure in part.section.figures] == [True] * 4
    rows = re.findall(r">([ei] \d)<", part.section.figures[1].path.read_text())
    most = np.argmax(spikes["e"].sum(axis=0))
    assert rows[0] == f"e {most}" and len(rows) == 5
