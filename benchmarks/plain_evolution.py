"""W4 as one flat JAX script: a generation of SNES over a synapse's own A, B, C, D, lives in maps of
small vmaps.
"""

import math
from functools import partial
from itertools import pairwise
from typing import Any

import jax
import jax.numpy as jnp
from evosax.algorithms import SNES
from jax import Array, lax

RATE, BOUND = 0.1, 10.0


def cut(theta: Array, sizes: tuple[int, ...]) -> list[Array]:
    """The flat theta as [4, n_post, n_pre] for every layer."""
    shapes = [(4, post, pre) for pre, post in pairwise(sizes)]
    parts = jnp.split(theta, [sum(math.prod(s) for s in shapes[:i]) for i in range(1, len(shapes))])
    return [part.reshape(shape) for part, shape in zip(parts, shapes, strict=True)]


def life(
    theta: Array, sizes: tuple[int, ...], weights: list[Array], inputs: Array, dot: bool
) -> Array:
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
    return lax.map(lambda theta: life(theta, sizes, weights, inputs, dot), thetas, batch_size=chunk)


def with_evosax(strategy: SNES, state: Any, key: Array, of: partial[Array]) -> Any:
    """The same by evosax, as its manual has it."""
    k_ask, k_tell = jax.random.split(key)
    members, state = strategy.ask(k_ask, state, strategy.default_params)
    return strategy.tell(k_tell, members, of(members), state, strategy.default_params)[0]


def by_hand(
    state: tuple[Array, Array], key: Array, n: int, of: partial[Array]
) -> tuple[Array, Array]:
    """SNES with its own weights and rates: (mean, std) after `n` members of loss `of(thetas)`."""
    mean, std = state
    z = jax.random.normal(key, (n, mean.size))
    rank = jnp.argsort(jnp.argsort(of(mean + std * z)))
    raw = jnp.maximum(0.0, jnp.log(n / 2 + 1) - jnp.log(1.0 + rank))
    weight = raw / jnp.sum(raw) - 1.0 / n
    rate = (3 + jnp.log(mean.size)) / (5 * jnp.sqrt(mean.size))
    return mean + std * (weight @ z), std * jnp.exp(0.5 * rate * (weight @ (z**2 - 1)))
