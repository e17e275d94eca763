"""The same work as one flat JAX script, with every trick of the trade and no abstraction."""

import math
from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
from jax import Array, lax

BOUND = 10.0


def step(theta: Array, weights: Array, x: Array, reward: Array, dot: bool) -> tuple[Array, Array]:
    """One step: (the weights after it, the loss []).

    theta is folded to three row vectors, then Horner's scheme runs in w: no feature of a synapse is
    stored.

    Args:
        theta: the coefficients [3, 3, 3] of powers of x, reward and w.
        weights: w [n_post, n_pre].
        x: the input [n_pre].
        reward: [].
        dot: whether the potential is a matrix product.
    """
    potential = weights @ x if dot else jnp.sum(weights * x[None, :], axis=1)
    y = jnp.tanh(potential)
    powers_x = jnp.stack([jnp.ones_like(x), x, x * x])
    powers_r = jnp.stack([jnp.ones_like(reward), reward, reward * reward])
    rows = jnp.einsum("abc,b,an->cn", theta, powers_r, powers_x)
    change = rows[0][None, :] + weights * (rows[1][None, :] + weights * rows[2][None, :])
    return jnp.clip(weights + change, -BOUND, BOUND), jnp.mean(y * y)


def life(theta: Array, weights: Array, inputs: Array, reward: Array, dot: bool) -> Array:
    """The loss of a life."""

    def body(w: Array, xr: tuple[Array, Array]) -> tuple[Array, Array]:
        return step(theta, w, *xr, dot)

    return jnp.mean(lax.scan(body, weights, (inputs, reward))[1])


def life_for_gradient(
    theta: Array, weights: Array, inputs: Array, reward: Array, dot: bool
) -> Array:
    """The loss of a life, with steps that are recomputed in segments of about sqrt(T)."""
    n_steps, n = inputs.shape
    length = min(
        (d for d in range(1, n_steps + 1) if n_steps % d == 0),
        key=lambda d: abs(math.log(d * d / n_steps)),
    )

    @partial(jax.checkpoint, prevent_cse=False)
    def body(w: Array, xr: tuple[Array, Array]) -> tuple[Array, Array]:
        return step(theta, w, *xr, dot)

    @partial(jax.checkpoint, prevent_cse=False)
    def segment(w: Array, xr: tuple[Array, Array]) -> tuple[Array, Array]:
        return lax.scan(body, w, xr)

    cut = (inputs.reshape(-1, length, n), reward.reshape(-1, length))
    return jnp.mean(lax.scan(segment, weights, cut)[1])


@partial(jax.jit, static_argnames=("chunk", "dot"))
def losses(
    thetas: Array, weights: Array, inputs: Array, reward: Array, chunk: int, dot: bool
) -> Array:
    """The losses of members, in chunks that fit the cache: a map over small vmaps, if chunk."""
    one = partial(life, dot=dot)
    data = (thetas, weights, inputs, reward)
    return lax.map(lambda args: one(*args), data, batch_size=chunk or None)


@partial(jax.jit, static_argnames=("chunk", "dot"))
def value_and_grad(
    theta: Array, weights: Array, inputs: Array, reward: Array, chunk: int, dot: bool
) -> tuple[Array, Array]:
    """The mean loss over lives and its gradient: a map of value_and_grad, averaged."""
    one: Callable[..., tuple[Array, Array]] = jax.value_and_grad(
        partial(life_for_gradient, dot=dot)
    )
    data = (weights, inputs, reward)
    values, grads = lax.map(lambda args: one(theta, *args), data, batch_size=chunk or None)
    return jnp.mean(values), jnp.mean(grads, axis=0)
