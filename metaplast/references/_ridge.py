"""Least squares with a penalty, in closed form."""

import jax.numpy as jnp
import jax.scipy.linalg as linalg
from jax import Array


def ridge(rows: Array, values: Array, questions: Array, penalty: Array) -> Array:
    """The answers questions (X^T X + penalty I)^-1 X^T Y [n_asked, n_out] of ridge regression.

    Two systems are equivalent, one in the inputs and one in the rows. The smaller one is solved. A
    row of zeros counts for nothing.

    Args:
        rows: X [n, n_in].
        values: Y [n, n_out].
        questions: [n_asked, n_in].
        penalty: [].
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
