"""Lyapunov exponents of the inner dynamics: the rate at which two almost equal lives come apart."""

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
from metaplast.problem.layout import Layout, spread
from metaplast.problem.lives import leading, take
from metaplast.problem.meta_problem import Batch
from metaplast.signals import Key, Theta

# The distance of the two lives, relative to the norm of their state.
APART = 1e-3
# A tangent that shrinks below this share of itself in one step has vanished.
GONE = 1e-12
# The share of a life in which a random tangent turns into the direction that grows most.
SETTLING = 0.25


class Exponents(NamedTuple):
    """Exponents per step, as means over the lives whose growth stays finite.

    An exponent is NaN where nothing of its kind moves.

    life: exponent of the whole state (weights, neurons, traces), by its derivative.
    network: exponent of neurons and transmissions alone, by the derivative. The weights follow
        their course.
    perturbed: exponent of the whole state, by two lives a share APART from each other, without a
        derivative.
    spreading: share of steps in which these two lives come further apart.
    n_lives: lives with finite growth.
    """

    life: float
    network: float
    perturbed: float
    spreading: float
    n_lives: int


def exponents(lifetime: Lifetime, theta: Theta, batch: Batch, key: Key, n_steps: int) -> Exponents:
    """The largest Lyapunov exponents of the lives of a batch, after Benettin:

        lambda = mean_t log |u_(t+1)|,      u_(t+1) = D_t u_t / |u_t|

    state [n]: the floats that a step may change.
    D_t [n, n]: d (state after step t) / d (state before step t).
    u_t [n]: the tangent before step t, of norm 1; u_0 is random.

    The answers of the task and all random draws are the same for both lives. The first quarter of a
    life is left out of the mean. For neurons with a surrogate derivative, D is the derivative of
    the surrogate. The exponent `perturbed` takes (step(state + e u) - step(state)) / e for D u,
    with e = APART |state|. A weight that a rule might change counts as state. Its exponent is 0
    where nothing changes it.

    Source: Benettin et al. 1980.

    Args:
        lifetime: the lives.
        theta: the numbers of the lives.
        batch: tasks and keys, one life each.
        key: the key of the random tangents.
        n_steps: steps of a life.
    """
    # [n_lives, n_steps, 3]
    growths = np.asarray(_growths(lifetime, theta, batch, key, n_steps), np.float64)
    late = growths[:, int(SETTLING * n_steps) :]
    healthy = np.zeros(len(growths), bool)
    if late.size:
        healthy = np.isfinite(late).all(axis=(1, 2))
    if not healthy.any():
        return Exponents(np.nan, np.nan, np.nan, np.nan, 0)
    late = late[healthy]
    rates = np.log(np.maximum(late, GONE)).mean(axis=(0, 1))
    network = np.nan
    if late[:, :, 1].any():
        network = float(rates[1])
    return Exponents(
        life=float(rates[0]),
        network=network,
        perturbed=float(rates[2]),
        spreading=float(np.mean(late[:, :, 2] > 1.0)),
        n_lives=int(healthy.sum()),
    )


@partial(jax.jit, static_argnames=("lifetime", "n_steps"))
def _growths(lifetime: Lifetime, theta: Theta, batch: Batch, key: Key, n_steps: int) -> Array:
    """The growth of three distances in every step [n_lives, n_steps, 3].

    The distances are the tangent of the life, the tangent of the network, and the distance of two
    lives. The shape is [n_lives, n_steps, 0] where nothing moves.
    """

    def one(i: Array, shared: tuple[Theta, Batch, Key]) -> Array:
        theta, batch, key = shared
        task = take(batch.tasks, i)
        life = lifetime.begin(theta, task, batch.keys[i])
        step = lambda life: lifetime.advance(theta, task, life, 1)[0]
        state = _state(lifetime, theta, task, life)
        return _growths_of_life(step, life, state, jax.random.fold_in(key, i), n_steps)

    return spread(one, Layout(leading(batch.keys), 1, 1), (theta, batch, key))


class State(NamedTuple):
    """The state of a life.

    places: indices of the leaves of a life that are its state.
    in_network [n]: 1 for a number of the network, 0 for any other number of the state.
    """

    places: list[int]
    in_network: np.ndarray


def _state(lifetime: Lifetime, theta: Theta, task: Any, life: Life) -> State:
    """The floats that a step of some phase may change."""
    leaves = jax.tree.leaves_with_path(life)
    changed: set[int] = set()
    start = 0
    for length, _ in lifetime.task.shape().phases:
        step = lambda life, start=start: lifetime.advance(theta, task, life, 1, start=start)[0]
        changed |= set(changed_leaves(step, life))
        start += length
    places = []
    in_network = [np.zeros(0)]
    for place in sorted(changed):
        path, leaf = leaves[place]
        if jnp.issubdtype(leaf.dtype, jnp.floating):
            places.append(place)
            in_network.append(np.full(leaf.size, float(path[0].name == "network")))
    return State(places, np.concatenate(in_network))


def _growths_of_life(
    step: Callable[[Life], Life], born: Life, state: State, key: Key, n_steps: int
) -> Array:
    """The growth of the three distances in every step of one life [n_steps, 3]."""
    read = lambda life: ravel_pytree([jax.tree.leaves(life)[i] for i in state.places])[0]
    flat, unravel = ravel_pytree([jax.tree.leaves(born)[i] for i in state.places])
    if not flat.size:
        return jnp.zeros((n_steps, 0))
    everything = np.ones_like(state.in_network)
    keep = jnp.stack([everything, state.in_network, everything]).astype(flat.dtype)

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

    start = _unit(keep * jax.random.normal(key, keep.shape, flat.dtype))
    return lax.scan(body, (born, start), None, n_steps)[1]


def _unit(vectors: Array) -> Array:
    """The vectors [n, size] at norm 1; a vector of zeros stays zero."""
    norms = jnp.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / jnp.where(norms > 0, norms, 1.0)
