"""The exact flow of a quadratic equation of one variable."""

import math

import jax.numpy as jnp
from jax import Array, lax

SMALL = 1e-4  # |k q| h^2 below which tan(r) / r is its series, to 1e-17


def flow(x: Array, q: Array, k: float, h: float, end: float) -> Array:
    """The exact flow of x' = k x^2 + q over the time h, stopped at `end`.

        x(h) = (x C + q S) / (C - k x S)
        r = h sqrt(k |q|)
        C = cos r,  S = h sin(r) / r         where q > 0
        C = 1,      S = h tanh(r) / r        where q < 0

    Where q < 0, numerator and denominator are divided by cosh r. x never leaves the side of a rest
    that it began on, whatever h. Backward, a step that ends at `end` is an Euler step: the flow
    itself has a pole there.

    Args:
        x: the first value [n].
        q: the constant term [n].
        k: the factor of the square, above 0.
        h: the time.
        end: a value above 0.

    Returns:
        x(h), or `end` where x passes it on the way to infinity; [n].
    """
    y = k * q * h**2
    small = jnp.abs(y) < SMALL
    r = jnp.sqrt(jnp.where(small, 1.0, jnp.abs(y)))
    turning = (y > 0) & ~small
    # from an angle of pi on, x has passed infinity, wherever it began
    angle = jnp.where(turning, jnp.minimum(r, math.pi), 0.0)
    cosine = jnp.cos(angle)
    series = 1.0 + y / 3.0 + 2.0 * y**2 / 15.0 + 17.0 * y**3 / 315.0
    sine = h * jnp.where(turning, jnp.sin(angle) / r, jnp.where(small, series, jnp.tanh(r) / r))
    numerator = x * cosine + q * sine
    denominator = cosine - k * x * sine
    past = (turning & (r >= math.pi)) | (denominator <= 0) | (numerator >= end * denominator)
    euler = x + h * (k * x**2 + q)
    reached = euler + lax.stop_gradient(end - euler)
    return jnp.where(past, reached, numerator / jnp.where(past, 1.0, denominator))
