"""The longest stable step of a neuron, from the eigenvalues of its linearised step."""

from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

FINE = 2e-5
"""Seconds: a step that is short enough."""
VISIT = 1.0
"""Seconds: the time over which a neuron is watched."""
SEEN = 100
"""Linearised states of it, beside the least and the largest value of each of its numbers."""
LONGEST = 1.0
"""Seconds: a neuron that is stable here is stable at any step."""
N_DRIVES = 9
OTHER = 10.0
"""The drive of other ports, which are in units of a leak or of a potential."""
GROWN = 1e-9
"""Beyond 1 by this much counts as growth: the differences are of that precision."""
STILL = 1e-3
"""Per second, relative to a state's size: slower is a rest."""


class Unit(Protocol):
    """The part of a neuron (neurons/base.py) that is used here."""

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
    """The largest dt in seconds at which no perturbation that decays in truth would grow.

        M = d state(t + dt) / d state(t) of one unit, spikes and resets left out

    M is found by central differences in float64. It is taken at the states that the unit visits in
    a second of steps of 20 us. The unit is driven by each of nine constant drives across
    `neuron.drives`, and by a strong one at each other port. Only states count at which all
    eigenvalues lie within the unit circle at that fine step. dt is too large where an eigenvalue
    leaves the circle with a negative real part: the step overshoots. At a state of rest, dt is too
    large where one leaves it in any direction.

    Returns:
        dt by bisection to 0.1 %; inf where no eigenvalue leaves the circle up to 1 s.
    """
    if not jax.tree.leaves(neuron.init_state(neuron.init(jax.random.key(0), 1), 1)):
        return float("inf")
    with jax.enable_x64(True):
        states, drives, resting = _visited(neuron)
        step = lambda dt: _eigenvalues(neuron, states, drives, dt)
        fading = np.abs(step(FINE)).max(axis=1) <= 1.0 + GROWN

        def stable(dt: float) -> bool:
            values = step(dt)
            growing = (np.abs(values) > 1.0 + GROWN) & ((np.real(values) < 0) | resting[:, None])
            return not np.any(growing[fading])

        low = FINE
        high = 2.0 * FINE
        while stable(high):
            if high > LONGEST:
                return float("inf")
            low = high
            high = 2.0 * high
        while high > 1.001 * low:
            middle = float(np.sqrt(low * high))
            if stable(middle):
                low = middle
            else:
                high = middle
        return low


def _drives(neuron: Unit) -> dict[str, np.ndarray]:
    """{port: constant drives [k, 1]}: the soma alone, then each other port alone.

    A port with a sign is driven in either direction.
    """
    rows = [{"soma": float(x)} for x in np.linspace(*neuron.drives, N_DRIVES)]
    for port in neuron.ports:
        if port == "soma":
            continue
        if port in neuron.signed:
            rows.append({port: -OTHER})
        rows.append({port: OTHER})
    drives = {}
    for port in neuron.ports:
        values = [row.get(port, 0.0) for row in rows]
        drives[port] = np.asarray(values)[:, None]
    return drives


class _Visited(NamedTuple):
    """States that one unit visits.

    Attributes:
        states: flat states [m, d].
        drives: port -> the drives there [m, 1].
        resting: whether the unit is at rest there [m].
    """

    states: np.ndarray
    drives: dict[str, np.ndarray]
    resting: np.ndarray


def _visited(neuron: Unit) -> _Visited:
    """The states that one unit visits under each of the drives."""
    theta = neuron.init(jax.random.key(0), 1)
    drives = _drives(neuron)
    born, shape = ravel_pytree(neuron.init_state(theta, 1))
    n_steps = round(VISIT / FINE)

    def live(drive: dict[str, Any]) -> tuple[Any, Any]:
        def step(flat: Any, key: Any) -> tuple[Any, Any]:
            new = ravel_pytree(neuron.step(theta, shape(flat), drive, FINE, key)[0])[0]
            return new, (flat, new)

        keys = jax.random.split(jax.random.key(0), n_steps)
        before, after = jax.lax.scan(step, born, keys)[1]
        # a brief overshoot lies between two others
        extremes = [jnp.argmin(before, axis=0), jnp.argmax(before, axis=0)]
        chosen = jnp.concatenate([jnp.arange(0, n_steps, n_steps // SEEN), *extremes])
        return before[chosen], after[chosen]

    before, after = map(np.asarray, jax.vmap(live)(jax.tree.map(jnp.asarray, drives)))
    moving = np.abs(after - before) > FINE * STILL * (1.0 + np.abs(before))
    under = {port: np.repeat(x, before.shape[1], axis=0) for port, x in drives.items()}
    flat = before.reshape(-1, before.shape[-1])
    return _Visited(flat, under, ~moving.any(axis=-1).reshape(-1))


def _eigenvalues(
    neuron: Unit, states: np.ndarray, drives: dict[str, np.ndarray], dt: float
) -> np.ndarray:
    """The eigenvalues [m, d] of the linearised step at every state [m, d].

    They are 0 where a jump (a spike, a counter) lies too close to tell.
    """
    theta = neuron.init(jax.random.key(0), 1)
    shape = ravel_pytree(neuron.init_state(theta, 1))[1]

    def unspiked(flat: Any, drive: dict[str, Any]) -> Any:
        return ravel_pytree(neuron.unspiked(theta, shape(flat), drive, dt, jax.random.key(0)))[0]

    all_states = jax.vmap(jax.vmap(unspiked), in_axes=(0, None))
    step = lambda x: np.asarray(all_states(x, drives))  # [k, m, d]
    wide = _slopes(step, states, 1e-5)
    narrow = _slopes(step, states, 1e-6)
    difference = np.abs(wide - narrow).max(axis=(1, 2))
    jumping = difference > 1e-3 * (1.0 + np.abs(wide).max(axis=(1, 2)))
    matrices = np.where(jumping[:, None, None], 0.0, wide)
    return np.linalg.eigvals(np.where(np.isfinite(matrices), matrices, 1e30))


def _slopes(
    step: Callable[[np.ndarray], np.ndarray], states: np.ndarray, size: float
) -> np.ndarray:
    """d step / d state [m, d, d] by central differences of `size`, relative to 1 + |state|."""
    d = states.shape[1]
    sizes = size * (1.0 + np.abs(states))
    moves = sizes[None] * np.eye(d)[:, None, :]  # [d, m, d]: one number of every state
    both = step(np.concatenate([states + moves, states - moves]))
    slopes = (both[:d] - both[d:]) / (2.0 * sizes.T[:, :, None])
    return np.moveaxis(slopes, 0, -1)
