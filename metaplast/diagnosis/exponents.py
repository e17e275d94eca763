"""Lyapunov exponents of the inner dynamics: how fast two almost equal lives come apart."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.flatten_util import ravel_pytree

from metaplast.life.lifetime import Life, Lifetime
from metaplast.life.scan import changed_leaves
from metaplast.problem.lives import Layout, leading, spread, take
from metaplast.problem.meta_problem import Batch
from metaplast.signals import Key, Theta

APART = 1e-3  # the distance of the two lives, relative to the norm of their state
# A tangent that shrinks below this share of itself in one step is gone: it is forgotten.
GONE = 1e-12
# The share of a life in which a random tangent turns into the direction that grows most.
SETTLING = 0.25


class Exponents(NamedTuple):
    """Exponents per step, means over the lives whose growth stays finite.

    Not a number where nothing of that kind moves.

    life: of the whole state (weights, neurons, traces), by its derivative
    network: of neurons and transmissions, while their weights take the course they take
    perturbed: of the whole state, by two lives a share APART from each other, without a derivative
    spreading: the share of steps in which these two lives come further apart
    n_lives: finite lives
    """

    life: float
    network: float
    perturbed: float
    spreading: float
    n_lives: int


def exponents(lifetime: Lifetime, theta: Theta, batch: Batch, key: Key, n_steps: int) -> Exponents:
    """The largest Lyapunov exponents of the lives of a batch, after Benettin:

        lambda = mean_t log |u_(t+1)|,      u_(t+1) = D_t u_t / |u_t|

    D_t [n, n]: d (state after step t) / d (state before), the task's answers and all that is drawn
    by lot being the same; state [n]: the floats that a step may change. |u| is 1 before every step;
    u_0 is random, and the first quarter of a life is left out. Where neurons have a surrogate
    derivative, D is the surrogate's. perturbed has (step(state + e u) - step(state)) / e for D u, e
    = APART |state|. Weights that nothing changes count as state where
    a rule might change them: their exponent is 0. Source: Benettin et al. 1980.
    """
    growths = np.asarray(
        _growths(lifetime, theta, batch, key, n_steps), np.float64
    )  # [n_lives, n_steps, 3]
    late = growths[:, int(SETTLING * n_steps) :]
    healthy = np.isfinite(late).all(axis=(1, 2)) if late.size else np.zeros(len(growths), bool)
    if not healthy.any():
        return Exponents(np.nan, np.nan, np.nan, np.nan, 0)
    late = late[healthy]
    rates = np.log(np.maximum(late, GONE)).mean(axis=(0, 1))
    network = rates[1] if late[:, :, 1].any() else np.nan
    spreading = float(np.mean(late[:, :, 2] > 1.0))
    return Exponents(
        float(rates[0]), float(network), float(rates[2]), spreading, int(healthy.sum())
    )


@partial(jax.jit, static_argnames=("lifetime", "n_steps"))
def _growths(lifetime: Lifetime, theta: Theta, batch: Batch, key: Key, n_steps: int) -> Array:
    """By how much the tangents of the life and of the network, and the distance of two lives, grow
    in every step [n_lives, n_steps, 3]; [n_lives, n_steps, 0] where nothing moves."""

    def one(i: Array) -> Array:
        task = take(batch.tasks, i)
        life = lifetime.begin(theta, task, batch.keys[i])
        step = lambda life: lifetime.advance(theta, task, life, 1)[0]
        return _one(
            step, life, _state(lifetime, theta, task, life), (jax.random.fold_in(key, i), n_steps)
        )

    return spread(one, Layout(leading(batch.keys), 1, 1))


class State(NamedTuple):
    """places: which leaves of a life are its state; own: for each of their numbers, 1 where it is
    the network's.
    """

    places: list[int]
    own: np.ndarray


def _state(lifetime: Lifetime, theta: Theta, task: Any, life: Life) -> State:
    """The floats that a step may change, in some phase."""
    leaves = jax.tree.leaves_with_path(life)
    places, start = set(), 0
    for length, _ in lifetime.task.shape().phases:
        places |= set(
            changed_leaves(
                lambda life, at=start: lifetime.advance(theta, task, life, 1, start=at)[0], life
            )
        )
        start += length
    floats = sorted(i for i in places if jnp.issubdtype(leaves[i][1].dtype, jnp.floating))
    own = [np.full(leaves[i][1].size, float(leaves[i][0][0].name == "network")) for i in floats]
    return State(floats, np.concatenate([np.zeros(0), *own]))


def _one(step: Callable[[Life], Life], born: Life, state: State, how: tuple[Key, int]) -> Array:
    read = lambda life: ravel_pytree([jax.tree.leaves(life)[i] for i in state.places])[0]
    flat, unravel = ravel_pytree([jax.tree.leaves(born)[i] for i in state.places])
    if not flat.size:
        return jnp.zeros((how[1], 0))
    keep = jnp.stack([np.ones_like(state.own), state.own, np.ones_like(state.own)]).astype(
        flat.dtype
    )

    def move(life: Life, x: Array) -> tuple[Array, Life]:
        leaves, tree = jax.tree.flatten(life)
        for i, value in zip(state.places, unravel(x), strict=True):
            leaves[i] = value
        new = step(jax.tree.unflatten(tree, leaves))
        return read(new), new

    def body(carry: tuple[Life, Array], _: None) -> tuple[tuple[Life, Array], Array]:
        life, units = carry
        here = read(life)
        there, push, new = jax.linearize(lambda x: move(life, x), here, has_aux=True)
        norm = jnp.linalg.norm(here)
        size = APART * jnp.where(norm > 0, norm, 1.0)
        apart = (move(life, here + size * units[2])[0] - there) / size
        grown = keep * jnp.concatenate([jax.vmap(push)(units[:2]), apart[None]])
        growth = jnp.linalg.norm(grown, axis=1)
        return (new, jnp.where((growth > GONE)[:, None], _unit(grown), units)), growth

    start = _unit(keep * jax.random.normal(how[0], keep.shape, flat.dtype))
    return lax.scan(body, (born, start), None, how[1])[1]


def _unit(vectors: Array) -> Array:
    """[n, size], each of norm 1; one that is zero stays zero."""
    norms = jnp.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / jnp.where(norms > 0, norms, 1.0)
