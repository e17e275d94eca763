"""What a theta says about sessions: activity, final weights, and how its weights compare with the
true ones.
"""

from dataclasses import replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from metaplast.fitting.data import Source, arrays
from metaplast.life.lifetime import Lifetime
from metaplast.networks import base as network
from metaplast.recording import Session
from metaplast.signals import Key, Theta


def activity(lifetime: Lifetime, theta: Theta, sessions: Session, seed: int) -> np.ndarray:
    """The activity [n_sessions, n_steps, n_seen] that the task looks at, of lives through the
    recorded sessions.
    """
    return np.asarray(_predicted(lifetime, theta, arrays(sessions), jax.random.key(seed))[0])


def final_weights(
    lifetime: Lifetime, theta: Theta, sessions: Session, seed: int
) -> dict[str, np.ndarray]:
    """{edge: weights at the end [n_sessions, its layout]}."""
    found = _predicted(lifetime, theta, arrays(sessions), jax.random.key(seed))[1]
    return {edge: np.asarray(w) for edge, w in found.items()}


@partial(jax.jit, static_argnames="lifetime")
def _predicted(
    lifetime: Lifetime, theta: Theta, sessions: Session, key: Key
) -> tuple[Array, dict[str, Array]]:
    recording = replace(lifetime, record=("activity",))
    wiring, shape, n_steps = lifetime.wiring(), lifetime.task.shape(), sessions.target.shape[1]

    def one(pair: tuple[Session, Key]) -> tuple[Array, dict[str, Array]]:
        life = recording.begin(theta, pair[0], pair[1])
        life, trace = recording.advance(theta, pair[0], life, n_steps, start=0)
        found = network.seen(wiring, shape, trace.recorded["activity"])
        return found, {name: s.weight for name, s in life.synapses.items()}

    return lax.map(one, (sessions, jax.random.split(key, sessions.target.shape[0])))


@partial(jax.jit, static_argnames="lifetime")
def drawn(
    lifetime: Lifetime, theta: Theta, sessions: Session, key: Key, spread: Array
) -> dict[str, Any]:
    """New values for sessions from a rule: lives through the recorded stimuli, choices'
    consequences (gates, rewards) and trial starts as they were, activity drawn anew from the
    likelihood where something was recorded.

    spread []: residual standard deviation, where the likelihood has one; of the measured final
    weights, where there are any. Returns the fields of Session that change.
    """
    k_life, k_value, k_weight = jax.random.split(key, 3)
    found, weights = _predicted(lifetime, theta, sessions, k_life)
    likelihood = lifetime.task.likelihood  # pyright: ignore[reportAttributeAccessIssue]
    keys = jax.random.split(k_value, found.shape[:2])
    draw = jax.vmap(jax.vmap(lambda k, a: likelihood.draw(k, a, spread)))
    target = draw(keys, found) if not lifetime.task.clamp else sessions.target  # pyright: ignore[reportAttributeAccessIssue]
    final = {}
    for index, (edge, measured) in enumerate(sessions.final.items()):
        noise = spread * jax.random.normal(jax.random.fold_in(k_weight, index), measured.shape)
        final[edge] = jnp.where(jnp.isfinite(measured), weights[edge] + noise, jnp.nan)
    return {"target": target, "final": final}


def weights_explained(
    source: Source, lifetime: Lifetime, theta: Theta, sessions: Session, seed: int
) -> Any:
    """{edge: (R2 of weights, R2 of their change since birth)} over sessions, steps and synapses,
    against the truth.

    R2 = 1 - sum (w - w*)^2 / sum (w* - mean w*)^2, over the plastic edges that both networks have
    in one shape; padded steps are left out.
    """
    shapes = {name: edge.connection.shape for name, (edge, _) in source.lifetime.plastic().items()}
    edges = tuple(
        n for n, (e, _) in lifetime.plastic().items() if shapes.get(n) == e.connection.shape
    )
    if not edges:
        return {}
    sums = _compared(
        (source.lifetime, lifetime),
        edges,
        (source.theta, theta),
        arrays(sessions),
        jax.random.key(seed),
    )
    total = lambda x: float(np.sum(np.asarray(x, np.float64)))
    pair = lambda kinds: tuple(_r2(*map(total, kinds[kind])) for kind in ("w", "dw"))
    return {edge: pair(sums[edge]) for edge in edges}


@partial(jax.jit, static_argnames=("lifetimes", "edges"))
def _compared(
    lifetimes: Any, edges: tuple[str, ...], thetas: Any, sessions: Session, key: Key
) -> Any:
    n_steps = sessions.target.shape[1]

    def one(pair: tuple[Session, Key]) -> Any:
        found = []
        for lifetime, theta in zip(lifetimes, thetas, strict=True):
            watched = replace(lifetime, record=("weights",))
            life = watched.begin(theta, pair[0], pair[1])
            trace = watched.advance(theta, pair[0], life, n_steps, start=0)[1]
            found.append(
                {e: (life.synapses[e].weight, trace.recorded["weights"][e]) for e in edges}
            )
        last = n_steps - jnp.argmax(jnp.any(pair[0].observed > 0, axis=1)[::-1])
        real = (jnp.arange(n_steps) < last).astype(float)
        return {e: _sums(found[0][e], found[1][e], real) for e in edges}

    return lax.map(one, (sessions, jax.random.split(key, sessions.target.shape[0])))


def _sums(
    true: tuple[Array, Array], fitted: tuple[Array, Array], real: Array
) -> dict[str, tuple[Array, ...]]:
    """(count, sum of the truth, of its square, of the squared error), for weights and for their
    change.
    """
    per_step = lambda x: real * jnp.sum(x.reshape(x.shape[0], -1), axis=1)
    found = {}
    for kind, (a, b) in {
        "w": (true[1], fitted[1]),
        "dw": (true[1] - true[0][None], fitted[1] - fitted[0][None]),
    }.items():
        count = jnp.sum(real) * (a.size // a.shape[0])
        found[kind] = (count, *(jnp.sum(per_step(x)) for x in (a, a**2, (a - b) ** 2)))
    return found


def _r2(count: float, total: float, squares: float, error: float) -> float:
    variance = squares - total**2 / count
    return 1.0 - error / variance if variance > 0 else float("nan")
