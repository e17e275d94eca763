"""Every connection is a linear map between two populations; one plain matrix is the oracle."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from metaplast.connections.base import Term
from metaplast.connections.masked import Masked
from metaplast.connections.sparse import Sparse
from metaplast.feedback.learned import Learned
from metaplast.life.lifetime import Lifetime, Slot
from metaplast.networks.feedforward import Feedforward
from metaplast.registry import find
from metaplast.rules.polynomial import Polynomial
from metaplast.spec import decode
from metaplast.testing.base import quick_jit
from metaplast.wiring import Edge, Population, Wiring
from tests.contracts._enrolled import enrolled

N_POST = 9
N_PRE = 11
RNG = np.random.default_rng(0)
POST = RNG.normal(size=(2, N_POST))
PRE = RNG.normal(size=(2, N_PRE))
TERMS = (  # (whether post takes part, whether pre does, the power of the weight)
    (True, True, 0),
    (True, True, 2),
    (True, False, 1),
    (False, True, 0),
    (False, False, 1),
    (False, False, 0),
)


# connections between populations of one size
SQUARE = {"one_to_one"}


def _make(name: str, n_post: int = N_POST, n_pre: int = N_PRE) -> Any:
    n_pre = n_post if name in SQUARE else n_pre
    return decode("connection", {"name": name, "n_post": n_post, "n_pre": n_pre})


def _places(connection: Any) -> tuple[np.ndarray, np.ndarray]:
    """The neurons of every synapse, read from the values that the connection itself puts there."""
    post = np.broadcast_to(connection.at_post(jnp.arange(connection.n_post)), connection.shape)
    return post, np.broadcast_to(connection.at_pre(jnp.arange(connection.n_pre)), connection.shape)


@partial(quick_jit, static_argnums=0)
def _everything(connection: Any, w: Any, post: Any, pre: Any) -> dict[str, Any]:
    terms = [
        Term(post[k % 2] if a else None, pre[k % 2] if b else None, p)
        for k, (a, b, p) in enumerate(TERMS)
    ]
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
    posts, pres = POST[:, : connection.n_post], PRE[:, : connection.n_pre]
    for known, told in zip((post, pre), connection.places(), strict=True):
        np.testing.assert_array_equal(known.reshape(-1), told)
    # no pair of neurons has two synapses
    assert len(set(zip(post.flat, pre.flat, strict=True))) == post.size
    with jax.enable_x64(True):
        support = np.broadcast_to(connection.mask(), connection.shape)
        w = np.asarray(RNG.normal(size=connection.shape)) * support
        out = jax.tree.map(np.asarray, _everything(connection, w, posts, pres))
    matrix = np.zeros((connection.n_post, connection.n_pre))
    matrix[post, pre] = w
    np.testing.assert_allclose(out["propagate"], matrix @ pres[0], atol=1e-12)
    np.testing.assert_allclose(out["backpropagate"], matrix.T @ posts[0], atol=1e-12)
    # adjoints
    np.testing.assert_allclose(
        out["propagate"] @ posts[0], pres[0] @ out["backpropagate"], atol=1e-12
    )
    np.testing.assert_allclose(out["reduce_post"], matrix.sum(axis=1), atol=1e-12)
    np.testing.assert_allclose(out["reduce_pre"], matrix.sum(axis=0), atol=1e-12)
    expected = np.zeros(connection.shape)
    for s in np.ndindex(*connection.shape):
        for k, (with_post, with_pre, power) in enumerate(TERMS):
            y = posts[k % 2, post[s]] if with_post else 1.0
            x = pres[k % 2, pre[s]] if with_pre else 1.0
            expected[s] += y * x * w[s] ** power
    np.testing.assert_allclose(out["outer"], expected, atol=1e-12)
    np.testing.assert_array_equal(out["no_terms"], np.zeros(connection.shape))
    np.testing.assert_allclose(out["lift"][0], w * (w + 1.0), atol=1e-12)
    np.testing.assert_allclose(out["lift"][1]["sum"], 2 * w + 1.0, atol=1e-12)
    np.testing.assert_array_equal(out["zeros"], np.zeros(connection.shape))
    assert set(np.unique(support)) <= {0.0, 1.0}
    assert connection.fan_in == max(1, round(support.sum() / N_POST))


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
    for next_to_none in (0.0, 1e-18, 1e-300):  # gaps beyond the largest integer
        post, pre = find("connection", "sparse")(
            n_post=5, n_pre=6, probability=next_to_none
        ).topology()
        assert (post.tolist(), pre.tolist()) == ([0], [5])


GRAPHS = [
    {"probability": 0.4, "seed": 3},
    {"probability": 0.7, "self_connections": False},
    {"probability": 0.0},
]


@pytest.mark.parametrize("numbers", GRAPHS, ids=str)
def test_a_mask_and_a_sparse_graph_of_the_same_numbers_are_one_graph(numbers):
    sparse = Sparse(7, 9, **numbers)
    masked = Masked(7, 9, **numbers)
    pre, post = np.nonzero(np.asarray(masked.mask()).T)
    np.testing.assert_array_equal((post, pre), sparse.topology())
    assert masked.fan_in == sparse.fan_in
    assert masked.shape == (7, 9)


def _lifetime(connection: Any) -> Lifetime:
    return Lifetime(
        task=decode("task", {"name": "teacher_student", "n_in": 6, "n_out": 3, "n_steps": 8}),
        network=Feedforward(hidden=(5,), connection=connection),
        feedback=Learned(rate=0.3, decay=0.1),
        slots=(
            Slot(rule=Polynomial(terms=("error*pre",), initial=(-1.0,), rate=0.3, learn="none")),
        ),
        record=("weights",),
    )


def test_a_life_on_a_masked_matrix_is_the_life_on_the_sparse_graph():
    """Both layouts have equal losses and equal weights at every step.

    They have the same graph, weights and feedback matrices.
    """
    numbers = {"probability": 0.5, "seed": 1}
    sparse = _lifetime(Sparse(**numbers))
    masked = _lifetime(Masked(**numbers))
    places = {e.name: e.connection.topology() for e in sparse.wiring().edges}

    @quick_jit
    def both(key: Any) -> Any:
        task = masked.task.sample(key, "train")
        theta = masked._init(key)
        whole = masked.begin(theta, task, key)
        thin = whole.replace(
            synapses={
                n: s.replace(weight=s.weight[places[n]], mask=jnp.ones(()))
                for n, s in whole.synapses.items()
            },
            feedback={"back": {n: b[places[n]] for n, b in whole.feedback["back"].items()}},
        )
        ends = [m.advance(theta, task, life, 8) for m, life in ((masked, whole), (sparse, thin))]
        return whole, ends

    with jax.enable_x64(True):
        born, ((one_end, one), (other_end, other)) = both(jax.random.key(0))
    assert np.ptp(one.score.loss) > 0
    np.testing.assert_allclose(one.score.loss, other.score.loss, rtol=1e-12)
    for name, weights in one.recorded["weights"].items():
        support = np.zeros(weights.shape[1:], bool)
        post, pre = places[name]
        support[post, pre] = True
        back, start = (np.asarray(life.feedback["back"][name]) for life in (one_end, born))
        assert not np.any(weights[:, ~support])
        assert not np.any(back[~support])
        assert np.any(weights[-1] != born.synapses[name].weight)
        assert np.any(back != start)
        np.testing.assert_allclose(
            weights[:, post, pre], other.recorded["weights"][name], atol=1e-12
        )
        np.testing.assert_allclose(back[post, pre], other_end.feedback["back"][name], atol=1e-12)


def test_bounds_without_zero_are_refused_on_a_masked_connection():
    for connection, bounds in ((Masked(2, 3), (0.1, 1.0)), (Masked(2, 3), (-2.0, -1.0))):
        edge = Edge("a", "b", connection, bounds=bounds)
        with pytest.raises(
            ValueError,
            match=r"edge a_to_b: bounds .* on a masked connection - expected .* contain 0",
        ):
            Wiring((Population("a", 3), Population("b", 2)), (edge,))
    Wiring(
        (Population("a", 3), Population("b", 2)), (Edge("a", "b", Sparse(2, 3), bounds=(0.1, 1.0)),)
    )
