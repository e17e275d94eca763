"""The same fit written by hand: one synapse, vmapped; one session, scanned; Adam in a Python loop.

A session is (rows, first weights [n_hidden, 2], readout [n_hidden]). Its rows are (x [n_rows, 2],
accepted [n_rows], gate [n_rows], advantage [n_rows]).
"""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax import Array, lax

BOUND = 10.0
RATE = 0.5
STRENGTH = 1e-2
ADAM = optax.adam(1e-3)
Session = tuple[tuple[Array, ...], Array, Array]


def change(theta: Array, pre: Array, post: Array, advantage: Array, weight: Array) -> Array:
    """The change [] of one synapse: rate sum_ijkl theta_ijkl pre^i post^j advantage^k weight^l.

    theta is [81], and all other arguments are [].
    """
    powers = [jnp.stack([jnp.ones_like(s), s, s * s]) for s in (pre, post, advantage, weight)]
    return RATE * jnp.einsum("ijkl,i,j,k,l->", theta.reshape(3, 3, 3, 3), *powers)


_row = jax.vmap(change, (None, 0, None, None, 0))  # the synapses [2] of one hidden unit
synapses = jax.vmap(_row, (None, None, 0, None, 0))  # [n_hidden, 2]


def one(theta: Array, session: Session) -> Array:
    """The mean cross-entropy of the choices of a session plus the penalty: []."""
    rows, first, readout = session

    def step(w: Array, row: tuple[Array, ...]) -> tuple[Array, Array]:
        x, accepted, gate, advantage = row
        post = jnp.tanh(w @ x)
        logit = readout @ post
        w = jnp.clip(w + gate * synapses(theta, x, post, advantage, w), -BOUND, BOUND)
        return w, jax.nn.softplus(logit) - accepted * logit

    return jnp.mean(lax.scan(step, first, rows)[1]) + STRENGTH * jnp.sum(jnp.abs(theta))


def many(theta: Array, sessions: Session) -> Array:
    """The mean over sessions [n_sessions, ...], all in one vmap."""
    return jnp.mean(jax.vmap(one, (None, 0))(theta, sessions))


@partial(jax.jit, static_argnames="objective")
def update(
    theta: Array, state: Any, session: Session, objective: Callable[..., Array]
) -> tuple[Any, Any]:
    """(theta, state) after one update."""
    _, grad = jax.value_and_grad(objective)(theta, session)
    step, state = ADAM.update(grad, state)
    return optax.apply_updates(theta, step), state


def descend(theta: Array, sessions: Iterable[Session], objective: Callable[..., Array]) -> Array:
    """One update for each item of `sessions`."""
    state = ADAM.init(theta)
    for session in sessions:
        theta, state = update(theta, state, session, objective)
    return theta
