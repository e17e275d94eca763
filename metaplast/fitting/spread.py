"""How well the data fix what a rule does, not only its numbers: surfaces and spike-timing
windows.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from metaplast.fitting.bootstrap import Bootstrap
from metaplast.fitting.data import Source
from metaplast.fitting.intervals import Known
from metaplast.language.grammar import reach
from metaplast.life.lifetime import Lifetime
from metaplast.problem.penalised import member
from metaplast.results.statistics import t_quantile
from metaplast.results.surfaces import surfaces
from metaplast.results.windows import by_pairs, gated, pairs
from metaplast.reuse.load import Rule
from metaplast.signals import Theta

LAGS = np.arange(-60, 61)  # steps
MOST = 40  # numbers of a rule: each is moved twice
Sure = tuple[
    Known | None, Bootstrap | None
]  # what is known of the numbers, and refits where some were asked for


class Spread(NamedTuple):
    """delta_w over two signals [n_y, n_x], and half the width of its 95 % interval."""

    grid: tuple[np.ndarray, np.ndarray]
    change: np.ndarray
    half: np.ndarray
    names: tuple[str, str]
    held: str


class Window(NamedTuple):
    """curves: {fitted, true: (lag in ms, change of weight)}; band: (lag, low, high), 95 %, or None.
    gated: those whose changes become eligible, for a modulator to apply."""

    curves: dict[str, tuple[np.ndarray, np.ndarray]]
    band: tuple[np.ndarray, np.ndarray, np.ndarray] | None
    gated: tuple[str, ...]


def surface_of(lifetime: Lifetime, theta: Theta, sure: Sure) -> Spread | None:
    """The first surface of the first slot's rule (results/surfaces.py); None where the data leave a
    number open.
    """
    found = _surface(lifetime, theta)
    half = half_width(theta, sure, lambda theta: _surface(lifetime, theta).delta_w)
    if found is None or half is None:
        return None
    held = (
        ", ".join(f"{name} = {value:g}" for name, value in found.held.items())
        or "nothing else is read"
    )
    return Spread((found.x_values, found.y_values), found.delta_w, half, (found.x, found.y), held)


def half_width(theta: Theta, sure: Sure, of: Callable[[Theta], np.ndarray]) -> np.ndarray | None:
    """Half the width of the 95 % interval of anything that a rule does, `of(theta)`.

    t sqrt(sum_k ((f(theta + m_k) - f(theta - m_k)) / 2)^2) over the moves m_k of `Known.spread`,
    the wider of its pairs. Where numbers are open, or more than MOST, or have no name, Student's t
    over refits, if there are some.
    """
    known, refits = sure
    if known is None or not known.spread or len(known.spread[0][1]) > MOST:
        if refits is None or len(refits.values) < 2:
            return None
        n = len(refits.values)
        return t_quantile(n - 1) * np.std(
            [of(member(refits.thetas, i)) for i in range(n)], axis=0, ddof=1
        )
    halves = []
    for t, moves in known.spread:
        each = [
            0.5 * (of(_moved(theta, move, 1.0)) - of(_moved(theta, move, -1.0))) for move in moves
        ]
        halves.append(t * np.sqrt(np.sum(np.square(each), axis=0)))
    return np.max(halves, axis=0)


def _moved(theta: Theta, move: Theta, sign: float) -> Theta:
    return jax.tree.map(lambda x, m: np.asarray(x + sign * m, np.asarray(x).dtype), theta, move)


def _surface(lifetime: Lifetime, theta: Theta) -> Any:
    slot = lifetime.slots[0]
    own = theta["rules"][slot.name]
    name = _edge(lifetime)
    rule = Rule(
        name="fitted",
        spec=slot.rule,
        theta=jax.tree.map(jnp.asarray, own if slot.shared else own[name]),
        edges=(name,),
        connections={},
        reads=lifetime.reads()[name],
        reach=reach(lifetime.reads()[name]),
        clock=slot.rule.clock,
        dt=lifetime.dt,
        activity_reference=1.0,
        formula="",
        document={},
    )
    return next(iter(surfaces(rule)), None)


def spike_window(
    lifetime: Lifetime, theta: Theta, source: Source | None, sure: Sure
) -> Window | None:
    """The change of one weight by one pair of spikes; None for a rule that is no spike-timing
    rule.
    """
    if not _timed(lifetime):
        return None
    lag, lifetimes = LAGS * lifetime.dt * 1e3, {"fitted": lifetime}
    curves = {"fitted": (lag, _pairs(lifetime, theta))}
    if source is not None and _timed(source.lifetime):
        lifetimes["true"] = source.lifetime
        curves["true"] = (lag, _pairs(source.lifetime, source.theta))
    by_modulator = tuple(name for name, its in lifetimes.items() if gated(its.slots[0].rule))
    half = half_width(theta, sure, lambda theta: _pairs(lifetime, theta))
    middle = curves["fitted"][1]
    band = None if half is None else (lag, middle - half, middle + half)
    return Window(curves, band, by_modulator)


def _timed(lifetime: Lifetime) -> bool:
    slots = lifetime.slots
    return (
        bool(slots)
        and slots[0].shared
        and by_pairs(slots[0].rule, lifetime.reads()[_edge(lifetime)])
    )


def _pairs(lifetime: Lifetime, theta: Theta) -> np.ndarray:
    slot = lifetime.slots[0]
    return pairs(
        slot.rule, theta["rules"][slot.name], lifetime.dt, LAGS, lifetime.reads()[_edge(lifetime)]
    )


def _edge(lifetime: Lifetime) -> str:
    """The first edge of the first slot."""
    return next(name for name, (_, slot) in lifetime.plastic().items() if slot == lifetime.slots[0])
