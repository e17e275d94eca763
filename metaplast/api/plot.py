"""Pictures of spiking networks, of their cells and of rules of spike times: `mp.plot`.

Each function takes a life that `mp.live` gave, or arrays, and gives a figure of matplotlib that a
notebook shows and that may be changed. No function touches pyplot.
"""

import os
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from metaplast.api.carrying import precision_kept
from metaplast.api.living import LivedLife
from metaplast.figures import f_i as f_i_figure
from metaplast.figures import (
    membranes,
    spike_intervals,
    spike_protocols,
    spike_windows,
    weight_histories,
)
from metaplast.figures import raster as raster_figure
from metaplast.figures.style import Picture, subplots, tidied
from metaplast.inspection.spiking_life import spread
from metaplast.neurons.base import AbstractNeuron
from metaplast.registry import BadInput, name_of, names
from metaplast.results import spike_protocols as protocols
from metaplast.results.f_i import f_i_curve
from metaplast.results.spike_statistics import intervals as intervals_of
from metaplast.results.spike_statistics import trains
from metaplast.results.windows import spike_window
from metaplast.reuse.load import Rule, at_start, load_rule
from metaplast.rules.base import AbstractRule
from metaplast.spec import decode

__all__ = [
    "f_i",
    "frequency",
    "intervals",
    "membrane",
    "raster",
    "triplet",
    "weights",
    "window",
]

N_DRIVES = 61
MEMBRANES = 3
"""Cells of a population whose potential is drawn where none are named."""


def raster(
    spikes: Any,
    dt: float | None = None,
    *,
    signs: Mapping[str, int] | None = None,
    windows: Sequence[tuple[float, float]] = (),
    cells: int = raster_figure.MOST_CELLS,
) -> Picture:
    """The spikes of each cell over time, and the rate of each population below.

        life = mp.live("ei", "vogels", "target_rate", edges="i_to_e")
        mp.plot.raster(life)

    Excitatory populations are blue and below, inhibitory ones red. More than 200,000 spikes in
    named windows are thinned by showing fewer cells; the words beside the rows say how many.

    Args:
        spikes: a life of `mp.live`, spikes [n_steps, n_cells], or {population: spikes}.
        dt: seconds of a step; a life knows its own.
        signs: {population: +1 excitatory, -1 inhibitory, 0 neither}; a life knows its own.
        windows: stretches of time (from, to) in seconds whose spikes are drawn side by side; none:
            the whole time, or its begin and its end where a row would have more than 300 spikes
            or the figure more than 30,000. Rates are drawn over the whole time, and the stretches
            are shaded there.
        cells: the most cells of a population that are drawn, evenly spread over it.

    Raises: BadInput for a life without spikes, and for arrays of another shape or without dt.
    """
    given = _given(spikes, dt, signs)
    for start, stop in windows:
        if not 0.0 <= start < stop:
            raise BadInput(f"window ({start:g}, {stop:g})", "0 <= from < to", "give seconds")
    if cells < 1:
        raise BadInput(f"cells={cells}", "a cell or more", "leave it out")
    return tidied(raster_figure.draw(given.spikes, given.dt, given.signs, windows, cells))


def membrane(
    potentials: Any,
    dt: float | None = None,
    *,
    spikes: Any = None,
    threshold: float | Mapping[str, float] | None = None,
    cells: int | Sequence[int] | Mapping[str, Sequence[int]] = MEMBRANES,
    window: tuple[float, float] | None = None,
) -> Picture:
    """The membrane potential of some cells, with the threshold and ticks at their spikes.

    A line of more than 1,500 points is thinned: equal stretches have their least and their largest
    value. At most 12 cells are drawn.

    Args:
        potentials: a life of `mp.live`, potentials [n_steps, n_cells], or {population: potentials}.
        dt: seconds of a step; a life knows its own.
        spikes: spikes in the same form, to be marked; a life knows its own.
        threshold: the potential at which a cell spikes, or {population: potential}; a life knows
            that of a cell at rest.
        cells: how many cells of each population, evenly spread, or which, or {population: which}.
        window: the stretch of time (from, to) in seconds; None: the last 2,000 steps.

    Raises: BadInput for a life without spiking cells, and for arrays of another shape, without dt,
        or without such a cell.
    """
    signs: Mapping[str, int] = {}
    if isinstance(potentials, LivedLife):
        life = potentials
        dt, signs = life.dt, life.signs
        spikes = life.spikes if spikes is None else spikes
        threshold = life.thresholds if threshold is None else threshold
        potentials = life.potentials
    values = _named(potentials, "potentials")
    marked = {} if spikes is None else _named(spikes, "spikes")
    for name, of_population in marked.items():
        if name not in values or of_population.shape != values[name].shape:
            raise BadInput(
                f"spikes of {name!r} of shape {of_population.shape}",
                "the populations and shapes of the potentials",
                "give both of the same cells",
            )
    if threshold is None:
        threshold = {}
    elif not isinstance(threshold, Mapping):
        threshold = dict.fromkeys(values, float(threshold))
    shown = {}
    for name, of_population in values.items():
        shown[name] = _cells(cells, name, of_population.shape[1])
    figure = membranes.draw(values, marked, _step(dt), threshold, signs, shown, window)
    return tidied(figure)


def weights(
    history: Any,
    dt: float | None = None,
    *,
    edges: Sequence[str] | None = None,
) -> Picture:
    """The weights of edges over time: their quantiles, and at most six single synapses of each.

    Histories are shown at 240 points in time, evenly spread.

    Args:
        history: a life of `mp.live`, weights [n_steps, ...] after each step, or {edge: weights}.
        dt: seconds between two entries; a life knows its own.
        edges: the edges that are drawn; None: all, of a life those whose weights change.

    Raises: BadInput for arrays of another shape or without dt, and for an edge that is not there.
    """
    if isinstance(history, LivedLife):
        dt = history.dt
        known = {}
        for name, values in history.weights.items():
            known[name] = np.concatenate([history.weights_at_birth[name][None], values])
        if edges is None:
            edges = [name for name, values in known.items() if _changes(values)] or list(known)
    elif isinstance(history, Mapping):
        known = {name: np.asarray(values) for name, values in history.items()}
    else:
        known = {"weights": np.asarray(history)}
    for name in edges or ():
        if name not in known:
            raise BadInput(f"edge {name!r}", f"one of {', '.join(known)}", "choose one")
    histories = {}
    for name in known if edges is None else edges:
        values = known[name]
        if values.ndim < 1 or not len(values):
            raise BadInput(f"weights of shape {values.shape}", "[n_steps, ...]", "give each step")
        times = _step(dt) * np.arange(len(values))
        histories[name] = weight_histories.history(times, values.reshape(len(values), -1))
    return tidied(weight_histories.draw(histories))


def intervals(
    spikes: Any, dt: float | None = None, *, signs: Mapping[str, int] | None = None
) -> Picture:
    """The intervals between spikes, and the coefficient of variation (CV) of each cell's.

    A cell with fewer than three spikes has no CV. Such cells are counted in the title.

    Args:
        spikes: a life of `mp.live`, spikes [n_steps, n_cells], or {population: spikes}.
        dt: seconds of a step; a life knows its own.
        signs: {population: +1 excitatory, -1 inhibitory, 0 neither}; a life knows its own.

    Raises: BadInput for a life without spikes, and for arrays of another shape or without dt.
    """
    given = _given(spikes, dt, signs)
    found = {name: intervals_of(values, given.dt) for name, values in given.spikes.items()}
    return tidied(spike_intervals.draw(found, given.dt, given.signs))


def f_i(
    neuron: Any,
    drives: Any = None,
    *,
    seconds: float = 1.0,
    dt: float = 1e-3,
    port: str = "soma",
    seed: int = 0,
) -> Picture:
    """The f-I curve of a cell: its rate over a constant drive, steady and at onset.

    A cell for each drive lives side by side in one program. The steady rate is 1 / the mean of the
    intervals that end in the second half of the time; the rate at onset is 1 / the first interval.
    Spikes come at multiples of dt, so that high rates go in steps; a shorter dt has smaller ones.

    Args:
        neuron: a name, a mapping with `name` and fields, a spec, or several of them as a list or
            as {name: neuron}.
        drives: the drives [n], in the neuron's own unit; None: 61 of them, from 0 to the largest
            that the first neuron declares.
        seconds: that each cell lives.
        dt: seconds of a step.
        port: at which the drive arrives.
        seed: of cells that fire by lot.

    Raises: BadInput for a neuron that does not spike, an unknown port, or drives that are no
        finite numbers.
    """
    neurons = _neurons(neuron)
    if drives is None:
        highest = next(iter(neurons.values())).drives[1]
        drives = np.linspace(0.0, highest, N_DRIVES)
    curves = {}
    for name, each in neurons.items():
        curves[name] = f_i_curve(each, drives, seconds, dt, port, seed)
    return tidied(f_i_figure.draw(curves, port))


def window(rule: Any) -> Picture:
    """The change of weight by one pair of spikes, over the time between them.

    The weight stands still at 0.5 of bounds 0 and 1, and modulators are held at 1.

    Args:
        rule: a loaded `mp.Rule`, such as `run.rule`; a name such as `stdp` or `zoo/triplet`, the
            path of a rule file, a mapping with `name` and fields, or a spec.

    Raises: BadInput for a rule that does not learn from the times of spikes alone.
    """
    with precision_kept():
        loaded = _rule(rule)
        found = spike_window(loaded)
    if found is None:
        raise _no_pairs(loaded)
    curves = spike_windows.curves_of({loaded.name: found})
    return tidied(spike_windows.figure_of(curves, alone=found.alone))


def frequency(rule: Any) -> Picture:
    """The mean change of weight by a pair of spikes 10 ms apart, over the frequency of 60 pairs.

    Args:
        rule: as in `window`.

    Raises: BadInput for a rule that does not learn from the times of spikes alone.
    """
    figure, axes = subplots(figsize=(5.0, 3.6), layout="constrained")
    spike_protocols.draw_frequency(axes, _protocols(rule))
    return tidied(figure)


def triplet(rule: Any) -> Picture:
    """The change of weight by three spikes, two on one side around one on the other.

    Args:
        rule: as in `window`.

    Raises: BadInput for a rule that does not learn from the times of spikes alone.
    """
    figure, axes = subplots(figsize=(5.0, 3.6), layout="constrained")
    spike_protocols.draw_triplets(axes, _protocols(rule))
    return tidied(figure)


class _Given(NamedTuple):
    """Spikes as the caller gave them.

    spikes: {population: [n_steps, n_cells]}.
    dt: seconds of a step.
    signs: {population: +1, -1 or 0}.
    """

    spikes: dict[str, np.ndarray]
    dt: float
    signs: Mapping[str, int]


def _given(spikes: Any, dt: float | None, signs: Mapping[str, int] | None) -> _Given:
    """The spikes of a life or of arrays."""
    known: Mapping[str, int] = {}
    if isinstance(spikes, LivedLife):
        dt, known, spikes = spikes.dt, spikes.signs, spikes.spikes
    return _Given(_named(spikes, "spikes"), _step(dt), known if signs is None else signs)


def _named(values: Any, what: str) -> dict[str, np.ndarray]:
    """{population: [n_steps, n_cells]}; an array alone is of `cells`."""
    if not isinstance(values, Mapping):
        values = {"cells": values}
    if not values:
        raise BadInput(f"no {what}", "a population that spikes", "give a network of spiking cells")
    named = {}
    for name, of_population in values.items():
        named[str(name)] = trains(of_population)
        if not named[str(name)].shape[1]:
            raise BadInput(f"{what} of {name!r} without cells", "a cell or more", "leave it out")
    return named


def _step(dt: float | None) -> float:
    """The seconds of a step."""
    if dt is None or not dt > 0.0 or not np.isfinite(dt):
        raise BadInput(f"dt={dt}", "seconds of a step, above 0", "give dt=1e-3")
    return float(dt)


def _cells(chosen: Any, name: str, n: int) -> np.ndarray:
    """The cells of a population of n that are drawn."""
    if isinstance(chosen, Mapping):
        chosen = chosen.get(name, ())
    if isinstance(chosen, int):
        if chosen < 1:
            raise BadInput(f"cells={chosen}", "a cell or more", "leave it out")
        return spread(n, chosen)
    cells = np.asarray(chosen, int)
    outside = cells[(cells < 0) | (cells >= n)]
    if len(outside):
        raise BadInput(f"cell {outside[0]} of {name!r}", f"0 to {n - 1}", "choose another cell")
    return cells


def _changes(values: np.ndarray) -> bool:
    """Whether a weight of a history changes; a value that is not finite is a change."""
    return not np.array_equal(values[0], values[-1]) or not np.array_equal(
        values[0], values[len(values) // 2]
    )


def _neurons(neuron: Any) -> dict[str, AbstractNeuron]:
    """{name: neuron} of one neuron or of several."""
    if isinstance(neuron, Mapping) and "name" not in neuron:
        return {str(name): decode("neuron", each) for name, each in neuron.items()}
    several = neuron if isinstance(neuron, list | tuple) else [neuron]
    found = {}
    for each in several:
        spec = decode("neuron", each() if isinstance(each, type) else each)
        name = name_of(type(spec))
        if name in found:
            name = f"{name} {len(found) + 1}"
        found[name] = spec
    if not found:
        raise BadInput("no neuron", "a neuron that spikes", "see mp.list('neurons')")
    return found


def _rule(rule: Any) -> Rule:
    """A rule with its numbers."""
    if isinstance(rule, Rule):
        return rule
    if isinstance(rule, str | os.PathLike) and rule not in names("rule"):
        return load_rule(rule)
    spec = decode("rule", rule() if isinstance(rule, type) else rule)
    return at_start(_name(spec), spec)


def _name(spec: AbstractRule) -> str:
    """The registered name of a rule's form."""
    return name_of(type(spec)) or type(spec).__name__


def _protocols(rule: Any) -> protocols.SpikeProtocols:
    """The changes by the protocols of slices. Raises: BadInput for a rule that has none."""
    with precision_kept():
        loaded = _rule(rule)
        found = protocols.spike_protocols(loaded)
    if found is None:
        raise _no_pairs(loaded)
    return found


def _no_pairs(rule: Rule) -> BadInput:
    """The refusal of a rule that a pair of spikes does not describe."""
    return BadInput(
        f"rule {rule.name!r}",
        "one rule that learns from the times of spikes and reads no potential",
        "give a rule such as stdp, triplet or vogels",
    )
