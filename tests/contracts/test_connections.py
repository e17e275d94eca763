"""Every connection is a linear map between two populations; its synapses as one plain matrix are the oracle."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from metaplast._checks.base import quick_jit
from metaplast.connections.base import Term
from metaplast.connections.sparse import Sparse
from metaplast.registry import find
from metaplast.spec import decode
from tests.contracts._enrolled import enrolled

N_POST, N_PRE = 9, 11
RNG = np.random.default_rng(0)
POST, PRE = RNG.normal(size=(2, N_POST)), RNG.normal(size=(2, N_PRE))
TERMS = (  # which of post and pre take part, and the power of the weight
    (True, True, 0),
    (True, True, 2),
    (True, False, 1),
    (False, True, 0),
    (False, False, 1),
    (False, False, 0),
)


def _make(name: str, n_post: int = N_POST, n_pre: int = N_PRE) -> Any:
    return decode("connection", {"name": name, "n_post": n_post, "n_pre": n_pre})


def _places(connection: Any) -> tuple[np.ndarray, np.ndarray]:
    """The neurons of every synapse, read off what the connection itself puts there."""
    post = np.broadcast_to(connection.at_post(jnp.arange(connection.n_post)), connection.shape)
    return post, np.broadcast_to(connection.at_pre(jnp.arange(connection.n_pre)), connection.shape)


@partial(quick_jit, static_argnums=0)
def _everything(connection: Any, w: Any, post: Any, pre: Any) -> dict[str, Any]:
    terms = [Term(post[k % 2] if a else None, pre[k % 2] if b else None, p) for k, (a, b, p) in enumerate(TERMS)]
    return {
        "propagate": connection.propagate(w, pre[0]),
        "backpropagate": connection.backpropagate(w, post[0]),
        "reduce_post": connection.reduce_post(w),
        "reduce_pre": connection.reduce_pre(w),
        "outer": connection.outer(terms, w),
        "no_terms": connection.outer([], w),
        "lift": connection.lift(lambda a, b: (a * b, {"sum": a + b}), w, w + 1.0),
        "zeros": connection.zeros(),
    }


@pytest.mark.parametrize("name", enrolled("connection"))
def test_a_connection_is_its_matrix(name):
    connection = _make(name)
    post, pre = _places(connection)
    assert len(set(zip(post.flat, pre.flat, strict=True))) == post.size  # no pair of neurons has two synapses
    with jax.enable_x64(True):
        w = np.asarray(RNG.normal(size=connection.shape))
        out = jax.tree.map(np.asarray, _everything(connection, w, POST, PRE))
    matrix = np.zeros((N_POST, N_PRE))
    matrix[post, pre] = w
    np.testing.assert_allclose(out["propagate"], matrix @ PRE[0], atol=1e-12)
    np.testing.assert_allclose(out["backpropagate"], matrix.T @ POST[0], atol=1e-12)
    np.testing.assert_allclose(out["propagate"] @ POST[0], PRE[0] @ out["backpropagate"], atol=1e-12)  # adjoints
    np.testing.assert_allclose(out["reduce_post"], matrix.sum(axis=1), atol=1e-12)
    np.testing.assert_allclose(out["reduce_pre"], matrix.sum(axis=0), atol=1e-12)
    expected = np.zeros(connection.shape)
    for s in np.ndindex(*connection.shape):
        for k, (with_post, with_pre, power) in enumerate(TERMS):
            y = POST[k % 2, post[s]] if with_post else 1.0
            x = PRE[k % 2, pre[s]] if with_pre else 1.0
            expected[s] += y * x * w[s] ** power
    np.testing.assert_allclose(out["outer"], expected, atol=1e-12)
    np.testing.assert_array_equal(out["no_terms"], np.zeros(connection.shape))
    np.testing.assert_allclose(out["lift"][0], w * (w + 1.0), atol=1e-12)
    np.testing.assert_allclose(out["lift"][1]["sum"], 2 * w + 1.0, atol=1e-12)
    np.testing.assert_array_equal(out["zeros"], np.zeros(connection.shape))
    assert connection.fan_in == max(1, round(post.size / N_POST))


@pytest.mark.parametrize("name", enrolled("connection"))
def test_normal_values_have_unit_variance(name):
    connection = _make(name, 60, 80)
    values = np.asarray(connection.normal(jax.random.key(0)))
    assert values.shape == connection.shape
    error = 4 / np.sqrt(values.size)
    assert abs(values.mean()) < error
    assert abs(values.std() - 1) < error


def test_a_sparse_graph_is_drawn_once_from_its_seed():
    one, same, other = (Sparse(40, 50, probability=0.2, seed=s) for s in (3, 3, 4))
    np.testing.assert_array_equal(one.topology(), same.topology())
    assert not np.array_equal(one.topology()[1], other.topology()[1])
    assert abs(one.shape[0] / 2000 - 0.2) < 4 * np.sqrt(0.2 * 0.8 / 2000)
    post, pre = Sparse(30, 30, probability=0.5, self_connections=False).topology()
    assert not np.any(post == pre)
    assert find("connection", "sparse")(n_post=5, n_pre=5, probability=0.0).shape == (1,)
