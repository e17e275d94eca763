"""Predictions of a theta for sessions: activity, final weights, and drawn values.

The file also compares the weights of a theta with the true ones of simulated sessions.
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
    """The activity [n_sessions, n_steps, n_seen] that the task sees.

    Lives go through the recorded sessions.
    """
    lives = _predicted(lifetime, theta, arrays(sessions), jax.random.key(seed))
    return np.asarray(lives.activity)


def final_weights(
    lifetime: Lifetime, theta: Theta, sessions: Session, seed: int
) -> dict[str, np.ndarray]:
    """{edge: weights at the end of a life [n_sessions, its layout]}."""
    lives = _predicted(lifetime, theta, arrays(sessions), jax.random.key(seed))
    final = {}
    for edge, weights in lives.final.items():
        final[edge] = np.asarray(weights)
    return final


class LivedSessions(NamedTuple):
    """Lives through sessions.

    activity [n_sessions, n_steps, n_seen].
    final: {edge: weights at the end [n_sessions, its layout]}.
    """

    activity: Array
    final: dict[str, Array]


@partial(jax.jit, static_argnames="lifetime")
def _predicted(lifetime: Lifetime, theta: Theta, sessions: Session, key: Key) -> LivedSessions:
    """Live through every session, one after the other."""
    recording = replace(lifetime, record=("activity",))
    wiring = lifetime.wiring()
    shape = lifetime.task.shape()
    n_sessions, n_steps = sessions.target.shape[:2]

    def live(pair: tuple[Session, Key]) -> LivedSessions:
        session, key = pair
        life = recording.begin(theta, session, key)
        life, trace = recording.advance(theta, session, life, n_steps, start=0)
        seen = network.seen(wiring, shape, trace.recorded["activity"])
        final = {name: synapses.weight for name, synapses in life.synapses.items()}
        return LivedSessions(seen, final)

    return lax.map(live, (sessions, jax.random.split(key, n_sessions)))


@partial(jax.jit, static_argnames="lifetime")
def drawn(
    lifetime: Lifetime, theta: Theta, sessions: Session, key: Key, spread: Array
) -> dict[str, Any]:
    """New values for sessions, drawn from a rule.

    Lives go through the recorded stimuli. The consequences of choices (gates, rewards) and the
    starts of trials stay as they were. Recorded values are drawn anew from the likelihood; those of
    a clamped recording stay. Measured final weights are those of the lives plus gaussian noise.

    Args:
        lifetime: the network of the rule.
        theta: the numbers of the rule.
        sessions: stacked.
        key: of the lives and of the draws.
        spread []: standard deviation of the noise of values, where the likelihood has one, and of
            measured final weights.

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
        source.lifetime,
        lifetime,
        tuple(edges),
        source.theta,
        theta,
        arrays(sessions),
        jax.random.key(seed),
    )
    explained = {}
    for edge, of in sums.items():
        explained[edge] = WeightR2(_r2(of.weights), _r2(of.changes))
    return explained


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


class EdgeSums(NamedTuple):
    """The sums of one edge, of its weights and of their changes since birth."""

    weights: Sums
    changes: Sums


class _Paths(NamedTuple):
    """The weights of one life.

    first: {edge: weights at birth [its layout]}.
    later: {edge: weights after every step [n_steps, its layout]}.
    """

    first: dict[str, Array]
    later: dict[str, Array]

    def changes(self, edge: str) -> Array:
        """The changes since birth [n_steps, its layout]."""
        return self.later[edge] - self.first[edge][None]


@partial(jax.jit, static_argnames=("true_lifetime", "lifetime", "edges"))
def _compared(
    true_lifetime: Lifetime,
    lifetime: Lifetime,
    edges: tuple[str, ...],
    true_theta: Theta,
    theta: Theta,
    sessions: Session,
    key: Key,
) -> dict[str, EdgeSums]:
    """{edge: its sums} of the true and the fitted weights."""
    n_sessions, n_steps = sessions.target.shape[:2]

    def paths(lifetime: Lifetime, theta: Theta, session: Session, key: Key) -> _Paths:
        watched = replace(lifetime, record=("weights",))
        life = watched.begin(theta, session, key)
        _, trace = watched.advance(theta, session, life, n_steps, start=0)
        first = {edge: life.synapses[edge].weight for edge in edges}
        return _Paths(first, trace.recorded["weights"])

    def live(pair: tuple[Session, Key]) -> dict[str, EdgeSums]:
        session, key = pair
        true = paths(true_lifetime, true_theta, session, key)
        fitted = paths(lifetime, theta, session, key)
        n_real = n_steps - jnp.argmax(jnp.any(session.observed > 0, axis=1)[::-1])
        real = (jnp.arange(n_steps) < n_real).astype(float)
        sums = {}
        for edge in edges:
            sums[edge] = EdgeSums(
                weights=_sums(true.later[edge], fitted.later[edge], real),
                changes=_sums(true.changes(edge), fitted.changes(edge), real),
            )
        return sums

    return lax.map(live, (sessions, jax.random.split(key, n_sessions)))


def _sums(true: Array, fitted: Array, real: Array) -> Sums:
    """Sums over steps and synapses.

    Args:
        true, fitted: values [n_steps, layout].
        real: 0 at padded steps, else 1 [n_steps].
    """

    def total(values: Array) -> Array:
        return jnp.sum(real * jnp.sum(values.reshape(values.shape[0], -1), axis=1))

    n = jnp.sum(real) * (true.size // true.shape[0])
    return Sums(n, total(true), total(true**2), total((true - fitted) ** 2))


def _r2(sums: Sums) -> float:
    """R2 from the sums of all sessions; NaN where the true values do not vary."""
    n, total, squares, error = (float(np.sum(np.asarray(x, np.float64))) for x in sums)
    variance = squares - total**2 / n  # times n
    if variance > 0:
        return 1.0 - error / variance
    return float("nan")
