"""The figures of one life of a spiking network, as a part of a page."""

from pathlib import Path
from typing import Any

import numpy as np

from metaplast.figures import membranes, raster, spike_intervals, weight_histories
from metaplast.figures.populations import in_order
from metaplast.figures.section import Figure, PagePart, Section
from metaplast.figures.style import save
from metaplast.inspection.spiking_life import N_WATCHED, SpikingLife, spread
from metaplast.results.numbers import json_list, number
from metaplast.results.spike_statistics import Intervals, cell_rates, intervals

TITLE = "One life, spike by spike"
N_CLOSE = 500
"""Steps of the membrane traces, the last of the life."""
N_TRACES = 3
"""Cells of a population whose potential is drawn, where there are few populations."""
TENTH = 10


def part(life: SpikingLife, folder: Path) -> PagePart:
    """Raster and rates, membrane traces, histories of weights and intervals of one life.

    Args:
        life: the life.
        folder: of the pictures.
    """
    found = {name: intervals(spikes, life.dt) for name, spikes in life.spikes.items()}
    figures = [_raster(life, folder), _membranes(life, folder)]
    if life.quantiles:
        figures.append(_weights(life, folder))
    figures.append(_intervals(life, found, folder))
    words = ["The first held-out life under the rule, one of those that judged it."]
    if not life.quantiles:
        words = ["The first held-out life of the network, one of those that judged it."]
    if life.n_steps < life.n_whole:
        words.append(f"Its first {life.n_steps} of {life.n_whole} steps are shown.")
    plain = {}
    for name, spikes in life.spikes.items():
        first, last = _rates(spikes, life.dt)
        words.append(
            f"{name} fires at {number(first, '.3g')} Hz in the first tenth and at "
            f"{number(last, '.3g')} Hz in the last."
        )
        words.append(spike_intervals.words(name, found[name]))
        plain[name] = {
            "rate_first_tenth_hz": first,
            "rate_last_tenth_hz": last,
            "cell_rates_hz": json_list(cell_rates(spikes, life.dt)),
            "cv": json_list(found[name].cv),
            "n_intervals": len(found[name].all),
            "n_silent": found[name].n_silent,
            "n_few": found[name].n_few,
        }
    for name, values in life.quantiles.items():
        broken = np.flatnonzero(~np.isfinite(values).all(axis=1))
        if len(broken):
            since = number(float(life.times[broken[0]]), ".3g")
            words.append(f"Weights of {name} are not finite from {since} s on.")
    numbers: dict[str, Any] = {
        "populations": plain,
        "dt": life.dt,
        "n_steps": life.n_steps,
        "times": json_list(life.times),
        "weights": {
            name: [json_list(row) for row in values] for name, values in life.quantiles.items()
        },
    }
    return PagePart(Section(TITLE, words, figures=figures), numbers)


def _rates(spikes: np.ndarray, dt: float) -> tuple[float, float]:
    """Spikes per second and cell in the first and the last tenth of a life."""
    n = max(1, len(spikes) // TENTH)
    return float(spikes[:n].mean() / dt), float(spikes[-n:].mean() / dt)


def _raster(life: SpikingLife, folder: Path) -> Figure:
    """The spikes of a short life; those at the begin and the end of a long one."""
    path = folder / "spikes_raster.svg"
    windows = raster.begin_and_end(life.spikes, life.dt)
    caption = "A tick is a spike, a row a cell; below, the rate of each population in bins of time."
    if windows:
        (_, length), (_, end) = windows
        caption += (
            f" Spikes are drawn in the first and the last {length:.3g} s of {end:.3g} s, shaded "
            "below."
        )
    if max(spikes.shape[1] for spikes in life.spikes.values()) > raster.MOST_CELLS:
        caption += f" At most {raster.MOST_CELLS} cells of a population have a row."
    save(raster.draw(life.spikes, life.dt, life.signs, windows), path)
    alt = "Spikes of one life over time and the rates of its populations"
    return Figure(path, alt, caption)


def _membranes(life: SpikingLife, folder: Path) -> Figure:
    """The potentials of the most, the least and a middle cell of those that were watched."""
    path = folder / "spikes_membranes.svg"
    n_traces = max(1, min(N_TRACES, membranes.MOST_PANELS // len(life.watched)))
    spikes = {}
    columns = {}
    for name, watched in life.watched.items():
        spikes[name] = life.spikes[name][:, watched]
        columns[name] = _by_rate(spikes[name], n_traces)
    end = life.dt * life.n_steps
    start = max(0.0, end - life.dt * N_CLOSE)
    figure = membranes.draw(
        life.potentials, spikes, life.dt, life.thresholds, life.signs, columns, (start, end)
    )
    for axes, (name, column) in zip(figure.axes, _rows(columns, life.signs), strict=False):
        axes.set_ylabel(f"{name} {life.watched[name][column]}")
    save(figure, path)
    caption = (
        f"Membrane potentials, in the unit of the neuron, over the last {end - start:.3g} s: the "
        f"most, a middle and the least active of {N_WATCHED} watched cells of a population. Ticks "
        "are spikes."
    )
    return Figure(path, "Membrane potentials of some cells over time", caption)


def _by_rate(spikes: np.ndarray, n: int) -> np.ndarray:
    """The columns of n cells, from the most active to the least active."""
    in_order = np.argsort(-spikes.sum(axis=0, dtype=int), kind="stable")
    return in_order[spread(len(in_order), n)]


def _rows(columns: dict[str, np.ndarray], signs: dict[str, int]) -> list[tuple[str, int]]:
    """(population, column) of every panel, from the top."""
    rows = []
    for name, of_population in in_order(columns, signs).items():
        for column in of_population:
            rows.append((name, int(column)))
    return rows


def _weights(life: SpikingLife, folder: Path) -> Figure:
    """The weights of plastic edges."""
    path = folder / "spikes_weights.svg"
    histories = {}
    for name, values in life.quantiles.items():
        histories[name] = weight_histories.History(
            life.times, values, life.single[name], life.n_synapses[name], 0
        )
    save(weight_histories.draw(histories), path)
    caption = (
        "Weights of plastic edges. Bands: the middle half and the middle nine tenths; thick: the "
        f"median; thin: single synapses. {len(life.times)} points in time."
    )
    return Figure(path, "Weights of plastic edges through one life", caption)


def _intervals(life: SpikingLife, found: dict[str, Intervals], folder: Path) -> Figure:
    """Histograms of intervals and of their variation."""
    path = folder / "spikes_intervals.svg"
    save(spike_intervals.draw(found, life.dt, life.signs), path)
    alt = "; ".join(spike_intervals.words(name, each) for name, each in found.items())
    caption = (
        "Left: the intervals between the spikes of a cell, all cells of a population together. "
        "Right: the coefficient of variation of each cell's intervals."
    )
    return Figure(path, alt, caption)
