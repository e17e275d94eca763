"""Intervals of the effects of a rule, beyond its numbers: surfaces and spike-timing windows."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from metaplast.fitting.certainty import Certainty
from metaplast.fitting.data import Source, recording_of
from metaplast.fitting.geometry import Moves
from metaplast.fitting.predict import activity
from metaplast.language.grammar import reach
from metaplast.life.lifetime import Lifetime
from metaplast.problem.lives import take
from metaplast.recording import Session
from metaplast.results.statistics import t_quantile
from metaplast.results.surfaces import Extent, never_below_zero, spikes_at, surfaces
from metaplast.results.windows import by_pairs, gated, pairs
from metaplast.reuse.load import Rule
from metaplast.signals import Theta

LAGS = np.arange(-60, 61)  # steps
MOST = 40  # numbers of a rule: each is moved twice


class Surface(NamedTuple):
    """The change of weight over two signals.

    x [n_x], y [n_y]: values of the two signals.
    x_name, y_name: their names.
    change [n_y, n_x]: of the weight.
    half [n_y, n_x]: half the width of its 95 % interval.
    held: the other signals and their values, in words.
    """

    x: np.ndarray
    y: np.ndarray
    x_name: str
    y_name: str
    change: np.ndarray
    half: np.ndarray
    held: str


class WindowCurve(NamedTuple):
    """The change of one weight by one pair of spikes.

    lag [n]: post time minus pre time, in ms.
    change [n]: of the weight.
    """

    lag: np.ndarray
    change: np.ndarray


class Band(NamedTuple):
    """The 95 % interval of a curve: lag [n] in ms, and its ends [n]."""

    lag: np.ndarray
    low: np.ndarray
    high: np.ndarray


class FittedWindow(NamedTuple):
    """Spike-timing windows.

    curves: {`fitted`, and `true` where it is known: curve}.
    band: of the fitted curve, or None.
    gated: names of the curves whose changes become eligible, for a modulator to apply.
    """

    curves: dict[str, WindowCurve]
    band: Band | None
    gated: tuple[str, ...]


def signals_met(
    lifetime: Lifetime, theta: Theta, sessions: Session, seed: int
) -> dict[str, Extent]:
    """{signal: its range} of the signals that the rule of the first slot met in fitted rows.

    They are the stimulus, recorded modulators, and the activity of units that the task sees, in
    rows in which plasticity is on. Other signals are left out, and those that never vary.

    Args:
        lifetime: of the rule.
        theta: its numbers.
        sessions: stacked.
        seed: of the lives.
    """
    edge, _ = lifetime.plastic()[_edge(lifetime)]
    task = recording_of(lifetime)
    signals = {}
    for name, values in sessions.modulators.items():
        signals[f"modulator.{name}"] = values
    if edge.pre == "input":
        signals["pre"] = sessions.stimulus
    first = 0
    for population, size in (*task.watched(), ("output", task.shape().n_out)):
        if population == edge.post:
            lived = activity(lifetime, theta, sessions, seed)
            signals["post"] = lived[..., first : first + size]
        first += size
    is_on = np.asarray(sessions.gate) > 0
    extents = {}
    for name, values in signals.items():
        shown = np.asarray(values, np.float64)[is_on]
        if shown.size and np.isfinite(shown).all() and np.ptp(shown) > 0:
            extents[name] = Extent(float(shown.min()), float(shown.max()))
    return extents


def surface_of(
    lifetime: Lifetime,
    theta: Theta,
    certainty: Certainty,
    met: Mapping[str, Extent] | None = None,
) -> Surface | None:
    """The first surface of the rule of the first slot (`results.surfaces`).

    None for a rule without a surface, or where the data leave a number open.

    Args:
        lifetime: of the rule.
        theta: its numbers.
        certainty: of the numbers.
        met: see `signals_met`.
    """
    surface = _surface(lifetime, theta, met)
    if surface is None:
        return None
    half = half_width(theta, certainty, lambda theta: _surface(lifetime, theta, met).delta_w)
    if half is None:
        return None
    held = ", ".join(f"{name} = {value:g}" for name, value in surface.held.items())
    return Surface(
        x=surface.x_values,
        y=surface.y_values,
        x_name=surface.x,
        y_name=surface.y,
        change=surface.delta_w,
        half=half,
        held=held or "nothing else is read",
    )


def half_width(
    theta: Theta, certainty: Certainty, effect: Callable[[Theta], np.ndarray]
) -> np.ndarray | None:
    """Half the width of the 95 % interval of an effect f(theta) of a rule.

    t sqrt(sum_k ((f(theta + m_k) - f(theta - m_k)) / 2)^2), of the wider `Moves`

    t: Student's quantile.
    m_k: the moves of `NumberIntervals.moves`.

    Where numbers are open, or more than MOST, or have no name, Student's t over refits counts.

    Returns: half the width in the shape of f, or None where there are no refits either.
    """
    intervals, refits = certainty
    if intervals is not None and intervals.moves and len(intervals.moves[0].thetas) <= MOST:
        halves = []
        for moves in intervals.moves:
            halves.append(_half_of_moves(theta, moves, effect))
        return np.max(halves, axis=0)
    if refits is None or len(refits.values) < 2:
        return None
    n = len(refits.values)
    effects = []
    for index in range(n):
        effects.append(effect(take(refits.thetas, index)))
    return t_quantile(n - 1) * np.std(effects, axis=0, ddof=1)


def _half_of_moves(theta: Theta, moves: Moves, effect: Callable[[Theta], np.ndarray]) -> np.ndarray:
    """Half the width of an interval by the moves of theta along independent axes."""
    differences = []
    for move in moves.thetas:
        up = effect(_moved(theta, move, 1.0))
        down = effect(_moved(theta, move, -1.0))
        differences.append(0.5 * (up - down))
    return moves.t * np.sqrt(np.sum(np.square(differences), axis=0))


def _moved(theta: Theta, move: Theta, sign: float) -> Theta:
    """theta plus or minus a move."""
    return jax.tree.map(lambda x, m: np.asarray(x + sign * m, np.asarray(x).dtype), theta, move)


def _surface(lifetime: Lifetime, theta: Theta, met: Mapping[str, Extent] | None) -> Any:
    """The first surface of the rule on the first edge of the first slot, or None."""
    slot = lifetime.slots[0]
    slot_theta = theta["rules"][slot.name]
    edge = _edge(lifetime)
    if not slot.shared:
        slot_theta = slot_theta[edge]
    rule = Rule(
        name="fitted",
        spec=slot.rule,
        theta=jax.tree.map(jnp.asarray, slot_theta),
        edges=(edge,),
        connections={},
        reads=lifetime.reads()[edge],
        reach=reach(lifetime.reads()[edge]),
        clock=slot.rule.clock,
        dt=lifetime.dt,
        activity_reference=1.0,
        formula="",
        document={},
    )
    above_zero = never_below_zero(lifetime, edge)
    return next(iter(surfaces(rule, above_zero, spikes_at(lifetime, edge), met)), None)


def spike_window(
    lifetime: Lifetime, theta: Theta, source: Source | None, certainty: Certainty
) -> FittedWindow | None:
    """The spike-timing window of a rule, beside the true one; None for another kind of rule."""
    if not _is_timed(lifetime):
        return None
    lag = LAGS * lifetime.dt * 1e3
    lifetimes = {"fitted": lifetime}
    curves = {"fitted": WindowCurve(lag, _pair_changes(lifetime, theta))}
    if source is not None and _is_timed(source.lifetime):
        lifetimes["true"] = source.lifetime
        curves["true"] = WindowCurve(lag, _pair_changes(source.lifetime, source.theta))
    by_modulator = []
    for name, each in lifetimes.items():
        if gated(each.slots[0].rule):
            by_modulator.append(name)
    half = half_width(theta, certainty, lambda theta: _pair_changes(lifetime, theta))
    fitted = curves["fitted"].change
    band = Band(lag, fitted - half, fitted + half) if half is not None else None
    return FittedWindow(curves, band, tuple(by_modulator))


def _is_timed(lifetime: Lifetime) -> bool:
    """Whether the first slot has one rule of spike timing."""
    if not lifetime.slots:
        return False
    slot = lifetime.slots[0]
    return slot.shared and by_pairs(slot.rule, lifetime.reads()[_edge(lifetime)])


def _pair_changes(lifetime: Lifetime, theta: Theta) -> np.ndarray:
    """The changes of weight by one pair of spikes at LAGS."""
    slot = lifetime.slots[0]
    reads = lifetime.reads()[_edge(lifetime)]
    return pairs(slot.rule, theta["rules"][slot.name], lifetime.dt, LAGS, reads)


def _edge(lifetime: Lifetime) -> str:
    """The first edge of the first slot."""
    first = lifetime.slots[0]
    return next(name for name, (_, slot) in lifetime.plastic().items() if slot == first)
