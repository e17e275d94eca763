"""Recursive least squares is ridge regression, and holds what the delta rule forgets."""

from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from metaplast.connections.base import AbstractConnection
from metaplast.connections.dense import Dense
from metaplast.connections.masked import Masked
from metaplast.connections.one_to_one import OneToOne
from metaplast.connections.sparse import Sparse
from metaplast.locality.reads import blank_view
from metaplast.rules.rls import Rls
from tests.rules._waves import generated, identity, pes, rls, rmse

N_POST, N_PRE, N_EXAMPLES = 4, 6, 30
LAYOUTS = (
    Dense(N_POST, N_PRE),
    Masked(N_POST, N_PRE, probability=0.5, seed=1),
    Sparse(N_POST, N_PRE, probability=0.5, seed=1),
    OneToOne(N_PRE, N_PRE),
)


def lesson(connection: AbstractConnection) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(weights at birth, inputs [n, n_pre], targets [n, n_post])."""
    rng = np.random.default_rng(0)
    weight = rng.normal(size=connection.shape) * np.asarray(connection.mask())
    inputs = rng.normal(size=(N_EXAMPLES, connection.n_pre))
    return weight, inputs, rng.normal(size=(N_EXAMPLES, connection.n_post))


def learned(rule: Rls, connection: AbstractConnection, scale: float) -> np.ndarray:
    """The weights of linear units after the lesson; scale: of the loss, scale error^2 / 2."""
    weight, inputs, targets = lesson(connection)
    blank = blank_view(connection, ())

    def one(carry: Any, example: Any) -> Any:
        state, weight = carry
        x, target = example
        error = scale * (connection.propagate(weight, x) - target)
        view = replace(
            blank,
            pre=replace(blank.pre, activity=x),
            post=replace(blank.post, feedback=error),
            weight=weight,
        )
        state, delta = rule.step({}, state, connection, view, 1e-3)
        return (state, weight + delta), None

    start = (rule.init_state({}, connection), jnp.asarray(weight))
    (_, weight), _ = jax.lax.scan(one, start, (jnp.asarray(inputs), jnp.asarray(targets)))
    return np.asarray(weight)


def regression(connection: AbstractConnection, rate: float, scale: float) -> np.ndarray:
    """argmin scale |X w - y|^2 + |w - w0|^2 / rate of every unit over its own inputs."""
    weight, inputs, targets = lesson(connection)
    post, pre = connection.places()
    exists = np.broadcast_to(np.asarray(connection.mask()), connection.shape).reshape(-1) > 0
    best = np.zeros(len(post))
    for unit in range(connection.n_post):
        own = np.flatnonzero((post == unit) & exists)
        own_inputs = inputs[:, pre[own]]
        left = rate * scale * own_inputs.T @ own_inputs + np.eye(len(own))
        right = rate * scale * own_inputs.T @ targets[:, unit] + weight.reshape(-1)[own]
        best[own] = np.linalg.solve(left, right)
    return best.reshape(connection.shape)


@pytest.mark.parametrize("connection", LAYOUTS, ids=lambda layout: type(layout).__name__)
def test_the_weights_are_those_of_ridge_regression(connection: AbstractConnection) -> None:
    with jax.enable_x64(True):
        weight = learned(Rls(rate=0.3, curvature=2.0), connection, scale=2.0)
        control = learned(Rls(rate=0.3, curvature=1.0), connection, scale=2.0)
    best = regression(connection, 0.3, 2.0)
    np.testing.assert_allclose(weight, best, rtol=1e-10, atol=1e-12)
    assert np.abs(control - best).max() > 1e-3


def test_a_small_rate_is_the_delta_rule() -> None:
    connection = Dense(N_POST, N_PRE)
    weight, inputs, targets = lesson(connection)
    with jax.enable_x64(True):
        moved = learned(Rls(rate=1e-9), connection, scale=1.0) - weight
    gradient = (inputs @ weight.T - targets).T @ inputs
    np.testing.assert_allclose(moved, -1e-9 * gradient, rtol=1e-6)


def test_rls_holds_the_identity_and_pes_fits_the_latest_sample() -> None:
    """Nengo's demonstration, with our rules: 1 s of learning, then 1 s without."""
    assert (rmse(identity(rls(1.0)), 2).held < 0.02).all()
    errors = rmse(identity(pes(1e-2)), 2)
    assert (errors.learned < 0.01).all()
    assert (errors.held > 0.6).all()


def test_a_chaotic_network_goes_on_with_a_wave_by_itself() -> None:
    """tests/golden/test_force.py has more lives, and tunes the delta rule."""
    errors = rmse(generated(rls(100.0), 150, seconds=3.0, period=0.3, held=0.9), 1)
    assert (errors.held < 0.05).all()
