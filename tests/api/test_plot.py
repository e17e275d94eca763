"""`mp.plot`: pictures from arrays, from a life, and of rules."""

import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure

import metaplast as mp
from metaplast.api.living import LivedLife
from metaplast.figures.populations import EXCITATORY
from metaplast.results.spike_protocols import SpikeProtocols

DT = 1e-3


@pytest.fixture
def life() -> LivedLife:
    generator = np.random.default_rng(0)
    spikes = {"e": (generator.random((300, 4)) < 0.05).astype(float)}
    weights = np.cumsum(generator.normal(size=(300, 2, 4)), axis=0)
    return LivedLife(
        time=DT * np.arange(1, 301),
        activities=spikes,
        spikes=spikes,
        weights={"moving": weights, "still": np.ones((300, 3))},
        weights_at_birth={"moving": np.zeros((2, 4)), "still": np.ones(3)},
        scores={},
        dt=DT,
        phases=((300, True),),
        potentials={"e": generator.normal(size=(300, 4))},
        thresholds={"e": 1.0},
        signs={"e": 1},
    )


def test_a_life_gives_its_pictures(life: LivedLife) -> None:
    assert mp.plot.raster(life).axes[0].lines[0].get_color() == EXCITATORY
    traces = mp.plot.membrane(life, cells=[3, 1])
    assert [axes.get_ylabel() for axes in traces.axes] == ["e 3", "e 1"]
    np.testing.assert_allclose(traces.axes[0].lines[0].get_ydata(), life.potentials["e"][:, 3])
    ticks = traces.axes[0].lines[-1].get_xdata()[::3]
    np.testing.assert_allclose(ticks, DT * np.flatnonzero(life.spikes["e"][:, 3]))
    (panel,) = [axes for axes in mp.plot.weights(life).axes if axes.get_title()]
    assert panel.get_title() == "moving, 8 synapses"  # of a life, the edges that change
    median = panel.lines[-1]
    whole = np.concatenate([np.zeros((1, 8)), life.weights["moving"].reshape(300, 8)])
    steps = np.round(median.get_xdata() / DT).astype(int)
    np.testing.assert_allclose(median.get_ydata(), np.median(whole, axis=1)[steps])
    (still,) = mp.plot.weights(life, edges=["still"]).axes
    assert still.get_title() == "still, 3 synapses"
    assert "CV of 4 of 4 cells" in mp.plot.intervals(life).axes[1].get_title()


def test_arrays_give_the_same_pictures(life: LivedLife) -> None:
    spikes = life.spikes["e"]
    from_arrays = mp.plot.raster(spikes, DT).axes[0].lines[0]
    of_life = mp.plot.raster(life).axes[0].lines[0]
    np.testing.assert_array_equal(from_arrays.get_xydata(), of_life.get_xydata())
    assert len(mp.plot.raster({"a": spikes, "b": spikes}, DT, windows=[(0, 0.1)]).axes) == 2
    traces = mp.plot.membrane(life.potentials["e"], DT, spikes=spikes, threshold=0.5, cells=1)
    assert traces.axes[0].lines[1].get_ydata()[0] == 0.5
    (panel,) = mp.plot.weights(life.weights["moving"], DT).axes
    assert panel.get_title() == "weights, 8 synapses"


def test_a_rule_of_spike_times_has_its_window_and_its_protocols(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rule: Any = {"name": "stdp", "potentiation": 0.02, "tau_pre": 15e-3}
    lags, change = mp.plot.window(rule).axes[0].lines[0].get_data()
    later = change[np.searchsorted(np.nan_to_num(lags, nan=0.0), 10.0)]
    assert later == pytest.approx(0.02 * np.exp(-10.0 / 15.0), rel=1e-3)
    values = np.array([1.0, 2.0])
    pairs = np.array([[5e-3, 5e-3], [10e-3, 10e-3]])
    found = SpikeProtocols(values, 3 * values, -values, pairs, 5 * values, 7 * values)
    monkeypatch.setattr(mp.plot.protocols, "spike_protocols", lambda rule: found)
    later, earlier = mp.plot.frequency("stdp").axes[0].lines[:2]
    np.testing.assert_array_equal([later.get_ydata(), earlier.get_ydata()], found[1:3])
    around, inside = mp.plot.triplet("stdp").axes[0].lines[:2]
    np.testing.assert_array_equal([around.get_ydata(), inside.get_ydata()], found[4:])
    with pytest.raises(mp.BadInput, match="rule 'oja' - expected one rule"):
        mp.plot.window("oja")


def test_a_neuron_has_its_curve() -> None:
    drives = np.linspace(0.0, 3.0, 4)
    (axes,) = mp.plot.f_i({"fast": "lif", "slow": "lif"}, drives, seconds=0.05).axes
    steady = axes.lines[0].get_ydata()
    assert steady[0] == 0.0 and steady[-1] > 0.0
    assert axes.lines[2].get_label() == "slow, steady"


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (lambda life: mp.plot.raster(life.spikes), "dt=None - expected seconds of a step"),
        (lambda life: mp.plot.raster(np.zeros(3), DT), r"\[n_steps, n_cells\]"),
        (lambda life: mp.plot.raster({}, DT), "a population that spikes"),
        (lambda life: mp.plot.raster(np.zeros((3, 0)), DT), "a cell or more"),
        (lambda life: mp.plot.raster(life, windows=[(2, 1)]), "0 <= from < to"),
        (lambda life: mp.plot.membrane(life, cells=[4]), "cell 4 of 'e' - expected 0 to 3"),
        (lambda life: mp.plot.membrane(life, spikes=np.zeros((300, 4))), "the populations"),
        (lambda life: mp.plot.weights(life, edges=["a"]), "edge 'a' - expected one of moving"),
        (lambda life: mp.plot.f_i([]), "no neuron"),
        (lambda life: mp.plot.f_i("tanh"), "a neuron that spikes"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(life: LivedLife, wrong: Any, words: str) -> None:
    with pytest.raises(mp.BadInput, match=words):
        wrong(life)


def test_plot_is_a_name_that_is_loaded_when_it_is_used() -> None:
    code = """
import sys
import metaplast as mp
assert "plot" in dir(mp) and not {"jax", "numpy", "matplotlib"} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True)
    from metaplast import plot

    assert plot is mp.plot


def test_a_picture_is_a_figure_that_a_notebook_shows(life: LivedLife) -> None:
    figure = mp.plot.intervals(life)
    assert isinstance(figure, Figure) and figure._repr_png_().startswith(b"\x89PNG")
