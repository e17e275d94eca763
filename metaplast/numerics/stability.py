"""How long a step of a neuron may be: where its linearised step turns what fades into what
grows.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Any, Protocol

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

FINE, VISIT = 2e-5, 1.0  # seconds: a step that is short enough, and how long a neuron is watched
SEEN = 100  # linearised states, beside the least and the largest value of each number
LONGEST = 1.0  # seconds: a neuron that is stable here is stable at any step
N_DRIVES = 9
OTHER = 10.0  # the drive of other ports, which are in units of a leak or of a potential
GROWN = 1e-9  # beyond 1: what counts as growth, for the differences are of that precision
STILL = 1e-3  # per second, of a state's size: slower is a rest


class Unit(Protocol):
    """What is asked of a neuron (neurons/base.py)."""

    @property
    def drives(self) -> tuple[float, float]: ...

    @property
    def ports(self) -> tuple[str, ...]: ...

    @property
    def signed(self) -> frozenset[str]: ...

    def init(self, key: Any, n: int) -> Any: ...

    def init_state(self, theta: Any, n: int) -> Any: ...

    def step(self, theta: Any, state: Any, drive: Any, dt: float, key: Any) -> Any: ...

    def unspiked(self, theta: Any, state: Any, drive: Any, dt: float, key: Any) -> Any: ...


@lru_cache(maxsize=64)
def largest_stable(neuron: Unit) -> float:
    """The largest dt [s] at which no eigenvalue of the linearised step says that what decays in
    truth would grow.

    M = d state(t + dt) / d state(t) of one unit, spikes and resets left out, by central differences
    in float64. It is taken at the states that the unit visits in a second of steps of 20 us under
    each of nine constant drives across `neuron.drives` (and under a strong one at each other port),
    where at that fine step all eigenvalues lie within the unit circle. dt is too large where an
    eigenvalue leaves it with a negative real part (the step overshoots), or, at a state of rest, in
    any direction. inf where none does up to 1 s; found by bisection to 0.1 %.
    """
    if not jax.tree.leaves(neuron.init_state(neuron.init(jax.random.key(0), 1), 1)):
        return float("inf")
    with jax.enable_x64(True):
        states, drives, resting = _visited(neuron)
        step = lambda dt: _eigenvalues(neuron, states, drives, dt)
        fading = np.abs(step(FINE)).max(axis=1) <= 1.0 + GROWN

        def stable(dt: float) -> bool:
            values = step(dt)
            away = (np.abs(values) > 1.0 + GROWN) & ((np.real(values) < 0) | resting[:, None])
            return not np.any(away[fading])

        low, high = FINE, 2.0 * FINE
        while stable(high):
            if high > LONGEST:
                return float("inf")
            low, high = high, 2.0 * high
        while high > 1.001 * low:
            middle = float(np.sqrt(low * high))
            low, high = (middle, high) if stable(middle) else (low, middle)
        return low


def _drives(neuron: Unit) -> dict[str, np.ndarray]:
    """{port: constant drives [k]}: the soma alone, then each other port alone, in either direction
    where it has one.
    """
    strong = {}
    for port in (p for p in neuron.ports if p != "soma"):
        strong[port] = (-OTHER, OTHER) if port in neuron.signed else (OTHER,)
    rows = [{"soma": float(x)} for x in np.linspace(*neuron.drives, N_DRIVES)]
    rows += [{port: x} for port, each in strong.items() for x in each]
    return {
        port: np.asarray([row.get(port, 0.0) for row in rows])[:, None] for port in neuron.ports
    }


def _visited(neuron: Unit) -> tuple[Any, dict[str, np.ndarray], np.ndarray]:
    """States [m, d] that one unit visits, the drives [m, 1] it is under there, and whether it is at
    rest [m].
    """
    theta, drives = neuron.init(jax.random.key(0), 1), _drives(neuron)
    born, shape = ravel_pytree(neuron.init_state(theta, 1))
    n_steps = round(VISIT / FINE)

    def live(drive: dict[str, Any]) -> tuple[Any, Any]:
        def step(flat: Any, key: Any) -> tuple[Any, Any]:
            new = ravel_pytree(neuron.step(theta, shape(flat), drive, FINE, key)[0])[0]
            return new, (flat, new)

        keys = jax.random.split(jax.random.key(0), n_steps)
        before, after = jax.lax.scan(step, born, keys)[1]
        extremes = [
            jnp.argmin(before, axis=0),
            jnp.argmax(before, axis=0),
        ]  # a brief overshoot lies between two others
        seen = jnp.concatenate([jnp.arange(0, n_steps, n_steps // SEEN), *extremes])
        return before[seen], after[seen]

    before, after = (np.asarray(x) for x in jax.vmap(live)(jax.tree.map(jnp.asarray, drives)))
    moving = np.abs(after - before) > FINE * STILL * (1.0 + np.abs(before))
    under = {port: np.repeat(x, before.shape[1], axis=0) for port, x in drives.items()}
    flat = before.reshape(-1, before.shape[-1])
    return flat, under, ~moving.any(axis=-1).reshape(-1)


def _eigenvalues(
    neuron: Unit, states: np.ndarray, drives: dict[str, np.ndarray], dt: float
) -> np.ndarray:
    """Of the linearised step at every state: [m, d]; 0 where a jump (a spike, a counter) lies too
    close to tell.
    """
    theta = neuron.init(jax.random.key(0), 1)
    shape = ravel_pytree(neuron.init_state(theta, 1))[1]

    def moved(flat: Any, drive: dict[str, Any]) -> Any:
        return ravel_pytree(neuron.unspiked(theta, shape(flat), drive, dt, jax.random.key(0)))[0]

    step = jax.vmap(moved)
    sizes = (1e-5, 1e-6)
    wide, narrow = (_slopes(lambda x: np.asarray(step(x, drives)), states, size) for size in sizes)
    apart = np.abs(wide - narrow).max(axis=(1, 2)) > 1e-3 * (1.0 + np.abs(wide).max(axis=(1, 2)))
    matrices = np.where(apart[:, None, None], 0.0, wide)
    return np.linalg.eigvals(np.where(np.isfinite(matrices), matrices, 1e30))


def _slopes(
    step: Callable[[np.ndarray], np.ndarray], states: np.ndarray, size: float
) -> np.ndarray:
    """d step / d state [m, d, d] by central differences of `size`, relative to 1 + |state|."""
    columns = []
    for k in range(states.shape[1]):
        small = np.zeros_like(states)
        small[:, k] = size * (1.0 + np.abs(states[:, k]))
        columns.append((step(states + small) - step(states - small)) / (2.0 * small[:, k : k + 1]))
    return np.stack(columns, axis=-1)
