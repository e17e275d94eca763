"""Least squares with a penalty, in closed form."""

import jax.numpy as jnp
import jax.scipy.linalg as linalg
from jax import Array


def ridge(rows: Array, values: Array, questions: Array, penalty: Array) -> Array:
    """questions (X^T X + penalty I)^-1 X^T Y [n_asked, n_out]; X = rows [n, n_in], Y = values [n,
    n_out].

    The smaller one of the two equal systems is solved, that of the inputs or that of the rows. A
    row of zeros counts for nothing.
    """
    n_rows, n_in = rows.shape
    if n_in <= n_rows:
        return questions @ solve(rows.T @ rows, rows.T @ values, penalty)
    return questions @ (rows.T @ solve(rows @ rows.T, values, penalty))


def solve(gram: Array, right: Array, penalty: Array) -> Array:
    """(gram + penalty I)^-1 right; gram is symmetric and has no negative eigenvalue."""
    factor = linalg.cho_factor(gram + penalty * jnp.eye(gram.shape[0], dtype=gram.dtype))
    return linalg.cho_solve(factor, right)


def distances(a: Array, b: Array) -> Array:
    """Squared Euclidean distances [n_a, n_b] between the rows of a and of b."""
    return jnp.sum(a**2, -1)[:, None] - 2 * a @ b.T + jnp.sum(b**2, -1)[None, :]
