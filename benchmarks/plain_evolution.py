"""W4 as one flat JAX script: a generation of SNES over the A, B, C, D of every synapse.

Lives run in maps of small vmaps.
"""

import math
from functools import partial
from itertools import pairwise
from typing import Any

import jax
import jax.numpy as jnp
from evosax.algorithms import SNES
from jax import Array, lax

RATE = 0.1
BOUND = 10.0


def cut(theta: Array, sizes: tuple[int, ...]) -> list[Array]:
    """The flat theta as [4, n_post, n_pre] for every layer."""
    layers = []
    start = 0
    for pre, post in pairwise(sizes):
        shape = (4, post, pre)
        end = start + math.prod(shape)
        layers.append(theta[start:end].reshape(shape))
        start = end
    return layers


def life(
    theta: Array, sizes: tuple[int, ...], weights: list[Array], inputs: Array, dot: bool
) -> Array:
    """The loss of a life."""
    abcd = cut(theta, sizes)

    def step(ws: list[Array], x: Array) -> tuple[list[Array], Array]:
        changed = []
        for (a, b, c, d), w in zip(abcd, ws, strict=True):
            potential = w @ x if dot else jnp.sum(w * x[None, :], axis=1)
            y = jnp.tanh(potential)
            change = RATE * (a * x[None, :] * y[:, None] + b * x[None, :] + c * y[:, None] + d)
            changed.append(jnp.clip(w + change, -BOUND, BOUND))
            x = y
        return changed, jnp.mean(x * x)

    return jnp.mean(lax.scan(step, weights, inputs)[1])


@partial(jax.jit, static_argnames=("sizes", "chunk", "dot"))
def losses(
    thetas: Array,
    weights: list[Array],
    inputs: Array,
    sizes: tuple[int, ...],
    chunk: int,
    dot: bool = False,
) -> Array:
    """The losses of members."""
    return lax.map(lambda theta: life(theta, sizes, weights, inputs, dot), thetas, batch_size=chunk)


def with_evosax(strategy: SNES, state: Any, key: Array, of: partial[Array]) -> Any:
    """A generation by evosax, as its manual has it."""
    k_ask, k_tell = jax.random.split(key)
    members, state = strategy.ask(k_ask, state, strategy.default_params)
    return strategy.tell(k_tell, members, of(members), state, strategy.default_params)[0]


def by_hand(
    state: tuple[Array, Array], key: Array, n: int, of: partial[Array]
) -> tuple[Array, Array]:
    """A generation of SNES with its own weights and rates.

    Args:
        state: (mean, std) before.
        key: of the draw.
        n: the number of members.
        of: thetas -> their losses.

    Returns: (mean, std) after.
    """
    mean, std = state
    z = jax.random.normal(key, (n, mean.size))
    rank = jnp.argsort(jnp.argsort(of(mean + std * z)))
    raw = jnp.maximum(0.0, jnp.log(n / 2 + 1) - jnp.log(1.0 + rank))
    weight = raw / jnp.sum(raw) - 1.0 / n
    rate = (3 + jnp.log(mean.size)) / (5 * jnp.sqrt(mean.size))
    return mean + std * (weight @ z), std * jnp.exp(0.5 * rate * (weight @ (z**2 - 1)))
