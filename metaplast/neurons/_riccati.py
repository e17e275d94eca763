"""The exact flow of a quadratic equation of one variable."""

import math

import jax.numpy as jnp
from jax import Array, lax

SMALL = 1e-4  # |k q| h^2 below which tan(r) / r is its series, to 1e-17


def flow(x: Array, q: Array, k: float, h: float, end: float) -> Array:
    """x after `h` of x' = k x^2 + q (k > 0; q constant), or `end` > 0 where x passes it on the way
    to infinity.

        x(h) = (x C + q S) / (C - k x S);   C, S = cos r, h sin(r) / r with r = h sqrt(k q), or 1,
            h tanh(r) / r

    with r = h sqrt(-k q) where q < 0 (numerator and denominator divided by cosh r). It never leaves
    the side of a rest that x began on, whatever h. Backward, a step that ends at `end` is an Euler
    step: the flow itself has a pole there.
    """
    y = k * q * h**2
    small = jnp.abs(y) < SMALL
    r = jnp.sqrt(jnp.where(small, 1.0, jnp.abs(y)))
    turning = (y > 0) & ~small
    angle = jnp.where(
        turning, jnp.minimum(r, math.pi), 0.0
    )  # from pi on it has passed infinity, wherever it began
    cosine = jnp.cos(angle)
    series = 1.0 + y / 3.0 + 2.0 * y**2 / 15.0 + 17.0 * y**3 / 315.0
    sine = h * jnp.where(turning, jnp.sin(angle) / r, jnp.where(small, series, jnp.tanh(r) / r))
    above, below = x * cosine + q * sine, cosine - k * x * sine
    past = (turning & (r >= math.pi)) | (below <= 0) | (above >= end * below)
    euler = x + h * (k * x**2 + q)
    reached = euler + lax.stop_gradient(end - euler)
    return jnp.where(past, reached, above / jnp.where(past, 1.0, below))
