"""The change of weight over the signals that matter most in a rule's task, where lives really go.

    effect of s = mean (f(s, rest) - f(s', rest))^2 / (2 var f)

f: the change of weight by one step.
s: the values of one signal in lives.
s': the same values in another order, so that the signal keeps its distribution and loses its link.
rest: all other signals.

With independent signals the effect is Sobol's total index, the share of the variance of f that
needs the signal (I. M. Sobol', Math. Comput. Simul. 55, 2001). With dependent signals, shuffling
also makes points that no life visits, and an effect may exceed 1.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from metaplast.inspection.visited import Visited
from metaplast.results.surfaces import NO_SIGNALS, deltas, for_one_synapse, has_state, short_name
from metaplast.reuse.load import Rule
from metaplast.reuse.reference import floats

N_POINTS = 2000
"""Visited points behind the effects."""
N_GRID = 41
N_CELLS = 20
"""Cells of the visited region along each axis."""
TAIL = 0.5
"""Percent of the visited values that lie beyond either end of an axis."""
LEVELS = (10.0, 50.0, 90.0)
"""Percentiles of the third signal."""
WIDTH = 10.0
"""A panel shows the visits whose third signal is within so many percentiles of its level."""


class Panel(NamedTuple):
    """One value of the third signal.

    third: its value; None where there is no third signal.
    delta_w: [n_y, n_x].
    visited: share of the visits with about this value of the third signal in every cell [N_CELLS,
        N_CELLS], y before x. Visits count whose third signal is within WIDTH percentiles of the
        level.
    n_visits: the number of these visits.
    """

    third: float | None
    delta_w: np.ndarray
    visited: np.ndarray
    n_visits: int


class Landscape(NamedTuple):
    """The change of weight by one step over the two signals that matter most.

    x, y, third: the names of the signals, as terms have them; third is empty where the rule reads
        two signals.
    x_values: [n_x].
    y_values: [n_y].
    panels: one per value of the third signal.
    visited: share of all visited points in every cell [N_CELLS, N_CELLS], y before x.
    held: {signal: value} of all others, their medians in lives.
    effects: {signal: its effect}, the largest first.
    stateful: whether the rule has state; then this is its step from the state at birth.
    averaged: whether the rule holds a number per synapse; then this is the surface of their means.
    dt: seconds of the step.
    """

    x: str
    y: str
    third: str
    x_values: np.ndarray
    y_values: np.ndarray
    panels: tuple[Panel, ...]
    visited: np.ndarray
    held: dict[str, float]
    effects: dict[str, float]
    stateful: bool
    averaged: bool
    dt: float


def landscape(rule: Rule, visits: Sequence[Visited], seed: int = 0) -> Landscape | None:
    """The landscape of a rule; None where fewer than two of its signals vary in lives.

    Args:
        rule: the rule.
        visits: the signals at the edges on which it works.
        seed: of the draw of points.
    """
    theta, averaged = for_one_synapse(rule.spec, rule.theta)
    dt = 1e-3 if rule.dt is None else rule.dt
    everywhere = _joined(rule, visits)
    points = _some(everywhere, seed)
    if not points:
        return None
    effects = _effects(rule, dt, theta, points, seed)
    moving = [field for field in effects if np.ptp(points[field]) > 0]
    if len(moving) < 2:
        return None
    first, second, *others = moving
    x, y = sorted((first, second), key=_is_post)
    third = others[0] if others else ""
    held = {}
    for field, values in points.items():
        if field not in (x, y, third):
            held[field] = float(np.median(values))
    x_values = _axis(points[x])
    y_values = _axis(points[y])
    spans = _spans(points[third]) if third else {None: (-np.inf, np.inf)}
    everything = np.ones(len(everywhere[x]), bool)
    panels = []
    for level, (low, high) in spans.items():
        near = everything
        if third:
            near = (everywhere[third] >= low) & (everywhere[third] <= high)
        fixed = dict(held)
        if level is not None:
            fixed[third] = level
        grid_x, grid_y = np.meshgrid(x_values, y_values)
        on_grid = {x: grid_x.reshape(-1), y: grid_y.reshape(-1)}
        for field, value in fixed.items():
            on_grid[field] = np.full(N_GRID**2, value)
        delta = deltas(rule.spec, dt, theta, floats(on_grid))
        on_map = np.asarray(delta, np.float64).reshape(N_GRID, N_GRID)
        cells = _cells(everywhere[x][near], everywhere[y][near], x_values, y_values)
        panels.append(Panel(level, on_map, cells, int(near.sum())))
    return Landscape(
        x=short_name(x),
        y=short_name(y),
        third=short_name(third) if third else "",
        x_values=x_values,
        y_values=y_values,
        panels=tuple(panels),
        visited=_cells(everywhere[x], everywhere[y], x_values, y_values),
        held={short_name(field): value for field, value in held.items()},
        effects={short_name(field): effect for field, effect in effects.items()},
        stateful=has_state(rule.spec, theta),
        averaged=averaged,
        dt=dt,
    )


def _spans(values: np.ndarray) -> dict[float | None, tuple[float, float]]:
    """{level of the third signal: the ends of the values that count as near it}."""
    spans: dict[float | None, tuple[float, float]] = {}
    for percent in LEVELS:
        low, level, high = np.percentile(values, (percent - WIDTH, percent, percent + WIDTH))
        known = spans.get(float(level), (np.inf, -np.inf))
        spans[float(level)] = (min(known[0], float(low)), max(known[1], float(high)))
    return spans


def _cells(x: np.ndarray, y: np.ndarray, x_values: np.ndarray, y_values: np.ndarray) -> np.ndarray:
    """The share of visits in every cell [N_CELLS, N_CELLS], y before x; 0 without visits."""
    cells, _, _ = np.histogram2d(
        y,
        x,
        bins=N_CELLS,
        range=((y_values[0], y_values[-1]), (x_values[0], x_values[-1])),
    )
    return cells / max(len(x), 1)


def _joined(rule: Rule, visits: Sequence[Visited]) -> dict[str, np.ndarray]:
    """{field that the rule reads: its values [n] at all visited points}."""
    fields = sorted(rule.reads - NO_SIGNALS)
    joined: dict[str, list[np.ndarray]] = {field: [] for field in fields}
    for visit in visits:
        signals, _ = visit.flat()
        for field in fields:
            joined[field].append(signals[field])
    return {field: np.concatenate(values) for field, values in joined.items()}


def _some(points: Mapping[str, np.ndarray], seed: int) -> dict[str, np.ndarray]:
    """At most N_POINTS of the points, drawn without replacement."""
    some = {}
    for field, values in points.items():
        n = min(len(values), N_POINTS)
        chosen = np.random.default_rng(seed).choice(len(values), n, replace=False)
        some[field] = values[chosen]
    return some


def _effects(
    rule: Rule, dt: float, theta: object, points: Mapping[str, np.ndarray], seed: int
) -> dict[str, float]:
    """{field: effect}, the largest first."""
    generator = np.random.default_rng((seed, 1))
    base = np.asarray(deltas(rule.spec, dt, theta, floats(dict(points))), np.float64)
    variance = float(np.var(base))
    effects = {}
    for field, values in points.items():
        moved = {**points, field: generator.permutation(values)}
        other = np.asarray(deltas(rule.spec, dt, theta, floats(moved)), np.float64)
        effects[field] = 0.0
        if variance > 0:
            effects[field] = float(np.mean((base - other) ** 2) / (2 * variance))
    return dict(sorted(effects.items(), key=lambda item: -item[1]))


def _axis(values: np.ndarray) -> np.ndarray:
    """The values of an axis, from end to end of the visited values without their tails."""
    low, high = np.percentile(values, (TAIL, 100.0 - TAIL))
    if high <= low:
        low, high = values.min(), values.max()
    return np.linspace(low, high, N_GRID)


def _is_post(field: str) -> bool:
    """Whether a signal stands on the vertical axis."""
    return field.startswith("post.")
