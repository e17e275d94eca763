"""How well the data fix what a rule does, not only its numbers: surfaces and spike-timing windows over the refits."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from metaplast.fitting.bootstrap import Bootstrap
from metaplast.fitting.data import Source
from metaplast.fitting.penalised import member
from metaplast.inspection.surfaces import surfaces
from metaplast.inspection.windows import by_pairs, gated, pairs
from metaplast.lifetime import Lifetime
from metaplast.reuse.load import Rule
from metaplast.rules._grammar import reach
from metaplast.signals import Theta

LAGS = np.arange(-60, 61)  # steps


class Spread(NamedTuple):
    """delta_w over two signals [n_y, n_x], and half the width of its 95 % interval over the refits."""

    grid: tuple[np.ndarray, np.ndarray]
    change: np.ndarray
    half: np.ndarray
    names: tuple[str, str]
    held: str


class Window(NamedTuple):
    """curves: {fitted, true: (lag in ms, change of weight)}; band: (lag, low, high) over the refits, or None.
    gated: those whose changes become eligible, for a modulator to apply."""

    curves: dict[str, tuple[np.ndarray, np.ndarray]]
    band: tuple[np.ndarray, np.ndarray, np.ndarray] | None
    gated: tuple[str, ...]


def surface_of(lifetime: Lifetime, theta: Theta, booted: Bootstrap) -> Spread | None:
    """The first surface of the first slot's rule (inspection/surfaces.py), for the fit and for every refit."""
    found = _surface(lifetime, theta)
    if found is None:
        return None
    n = len(booted.values)
    each = np.stack([_surface(lifetime, member(booted.thetas, i)).delta_w for i in range(n)])  # pyright: ignore[reportOptionalMemberAccess]
    low, high = np.quantile(each, [0.025, 0.975], axis=0) if n > 1 else (found.delta_w, found.delta_w)
    held = ", ".join(f"{name} = {value:g}" for name, value in found.held.items()) or "nothing else is read"
    return Spread((found.x_values, found.y_values), found.delta_w, 0.5 * (high - low), (found.x, found.y), held)


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


def spike_window(lifetime: Lifetime, theta: Theta, source: Source | None, booted: Bootstrap | None) -> Window | None:
    """The change of one weight by one pair of spikes; None for a rule that is no spike-timing rule."""
    if not _timed(lifetime):
        return None
    lag, lifetimes = LAGS * lifetime.dt * 1e3, {"fitted": lifetime}
    curves = {"fitted": (lag, _pairs(lifetime, theta))}
    if source is not None and _timed(source.lifetime):
        lifetimes["true"] = source.lifetime
        curves["true"] = (lag, _pairs(source.lifetime, source.theta))
    by_modulator = tuple(name for name, its in lifetimes.items() if gated(its.slots[0].rule))
    if booted is None or len(booted.values) < 2:
        return Window(curves, None, by_modulator)
    every = np.stack([_pairs(lifetime, member(booted.thetas, i)) for i in range(len(booted.values))])
    low, high = np.quantile(every, [0.025, 0.975], axis=0)
    return Window(curves, (lag, low, high), by_modulator)


def _timed(lifetime: Lifetime) -> bool:
    slots = lifetime.slots
    return bool(slots) and slots[0].shared and by_pairs(slots[0].rule, lifetime.reads()[_edge(lifetime)])


def _pairs(lifetime: Lifetime, theta: Theta) -> np.ndarray:
    slot = lifetime.slots[0]
    return pairs(slot.rule, theta["rules"][slot.name], lifetime.dt, LAGS, lifetime.reads()[_edge(lifetime)])


def _edge(lifetime: Lifetime) -> str:
    """The first edge of the first slot."""
    return next(name for name, (_, slot) in lifetime.plastic().items() if slot == lifetime.slots[0])
