"""Predictions of a theta for sessions: activity, final weights, and drawn values.

Also the comparison of its weights with the true ones of simulated sessions.
"""

from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from metaplast.fitting.data import Source, arrays, recording_of
from metaplast.life.lifetime import Lifetime
from metaplast.networks import base as network
from metaplast.recording import Session
from metaplast.signals import Key, Theta


def activity(lifetime: Lifetime, theta: Theta, sessions: Session, seed: int) -> np.ndarray:
    """The activity [n_sessions, n_steps, n_seen] that the task looks at.

    It is of lives through the recorded sessions.
    """
    lives = _predicted(lifetime, theta, arrays(sessions), jax.random.key(seed))
    return np.asarray(lives.activity)


def final_weights(
    lifetime: Lifetime, theta: Theta, sessions: Session, seed: int
) -> dict[str, np.ndarray]:
    """{edge: weights at the end [n_sessions, its layout]}."""
    lives = _predicted(lifetime, theta, arrays(sessions), jax.random.key(seed))
    return {edge: np.asarray(weights) for edge, weights in lives.final.items()}


class Lives(NamedTuple):
    """Lives through sessions.

    activity [n_sessions, n_steps, n_seen].
    final: {edge: weights at the end [n_sessions, its layout]}.
    """

    activity: Array
    final: dict[str, Array]


@partial(jax.jit, static_argnames="lifetime")
def _predicted(lifetime: Lifetime, theta: Theta, sessions: Session, key: Key) -> Lives:
    recording = replace(lifetime, record=("activity",))
    wiring, shape = lifetime.wiring(), lifetime.task.shape()
    n_sessions, n_steps = sessions.target.shape[:2]

    def live(pair: tuple[Session, Key]) -> Lives:
        session, key = pair
        life = recording.begin(theta, session, key)
        life, trace = recording.advance(theta, session, life, n_steps, start=0)
        seen = network.seen(wiring, shape, trace.recorded["activity"])
        final = {name: synapses.weight for name, synapses in life.synapses.items()}
        return Lives(seen, final)

    return lax.map(live, (sessions, jax.random.split(key, n_sessions)))


@partial(jax.jit, static_argnames="lifetime")
def drawn(
    lifetime: Lifetime, theta: Theta, sessions: Session, key: Key, spread: Array
) -> dict[str, Any]:
    """New values for sessions, drawn from a rule.

    Lives go through the recorded stimuli. The consequences of choices (gates, rewards) and the
    starts of trials stay as they were. Activity is drawn anew from the likelihood where something
    was recorded.

    Args:
        lifetime, theta: the rule in its network.
        sessions: stacked.
        key: of the lives and of the draws.
        spread []: residual standard deviation, where the likelihood has one; of the measured final
            weights, where there are any.

    Returns: the fields of Session that change.
    """
    k_life, k_value, k_weight = jax.random.split(key, 3)
    lives = _predicted(lifetime, theta, sessions, k_life)
    family = recording_of(lifetime)
    keys = jax.random.split(k_value, lives.activity.shape[:2])
    draw = jax.vmap(jax.vmap(lambda k, a: family.likelihood.draw(k, a, spread)))
    target = sessions.target if family.clamp else draw(keys, lives.activity)
    final = {}
    for index, (edge, measured) in enumerate(sessions.final.items()):
        noise = spread * jax.random.normal(jax.random.fold_in(k_weight, index), measured.shape)
        final[edge] = jnp.where(jnp.isfinite(measured), lives.final[edge] + noise, jnp.nan)
    return {"target": target, "final": final}


class WeightR2(NamedTuple):
    """R2 of weights, and of their changes since birth."""

    weights: float
    changes: float


def weights_explained(
    source: Source, lifetime: Lifetime, theta: Theta, sessions: Session, seed: int
) -> dict[str, WeightR2]:
    """{edge: R2 of its weights against the truth} over sessions, steps and synapses.

    R2 = 1 - sum (w - w*)^2 / sum (w* - mean w*)^2

    w, w*: fitted and true weights of the plastic edges that both networks have in one shape.

    Padded steps are left out.
    """
    shapes = {name: edge.connection.shape for name, (edge, _) in source.lifetime.plastic().items()}
    edges = []
    for name, (edge, _) in lifetime.plastic().items():
        if shapes.get(name) == edge.connection.shape:
            edges.append(name)
    if not edges:
        return {}
    sums = _compared(
        (source.lifetime, lifetime),
        tuple(edges),
        (source.theta, theta),
        arrays(sessions),
        jax.random.key(seed),
    )
    return {edge: WeightR2(_r2(sums[edge]["w"]), _r2(sums[edge]["dw"])) for edge in edges}


class Sums(NamedTuple):
    """Sums [n_sessions] over steps and synapses.

    n: compared weights.
    total: of the true ones.
    squares: of their squares.
    error: of the squared errors.
    """

    n: Array
    total: Array
    squares: Array
    error: Array


@partial(jax.jit, static_argnames=("lifetimes", "edges"))
def _compared(
    lifetimes: tuple[Lifetime, Lifetime],
    edges: tuple[str, ...],
    thetas: tuple[Theta, Theta],
    sessions: Session,
    key: Key,
) -> Any:
    """{edge: {`w`, `dw`: sums of weights and of changes}}; of the true and the fitted lifetime."""
    n_sessions, n_steps = sessions.target.shape[:2]

    def live(pair: tuple[Session, Key]) -> Any:
        session, key = pair
        paths = []
        for lifetime, theta in zip(lifetimes, thetas, strict=True):
            watched = replace(lifetime, record=("weights",))
            life = watched.begin(theta, session, key)
            _, trace = watched.advance(theta, session, life, n_steps, start=0)
            first = {edge: life.synapses[edge].weight for edge in edges}
            paths.append((first, trace.recorded["weights"]))
        last = n_steps - jnp.argmax(jnp.any(session.observed > 0, axis=1)[::-1])
        real = (jnp.arange(n_steps) < last).astype(float)
        (true_first, true), (first, fitted) = paths
        sums = {}
        for edge in edges:
            true_change = true[edge] - true_first[edge][None]
            change = fitted[edge] - first[edge][None]
            sums[edge] = {
                "w": _sums(true[edge], fitted[edge], real),
                "dw": _sums(true_change, change, real),
            }
        return sums

    return lax.map(live, (sessions, jax.random.split(key, n_sessions)))


def _sums(true: Array, fitted: Array, real: Array) -> Sums:
    """Sums over steps and synapses of values [n_steps, layout]; real [n_steps]: 0 where padded."""

    def total(values: Array) -> Array:
        return jnp.sum(real * jnp.sum(values.reshape(values.shape[0], -1), axis=1))

    n = jnp.sum(real) * (true.size // true.shape[0])
    return Sums(n, total(true), total(true**2), total((true - fitted) ** 2))


def _r2(sums: Sums) -> float:
    n, total, squares, error = (float(np.sum(np.asarray(x, np.float64))) for x in sums)
    variance = squares - total**2 / n
    return 1.0 - error / variance if variance > 0 else float("nan")
