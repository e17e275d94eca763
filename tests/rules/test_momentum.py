"""Momentum against its sum written out, and against the textbook's heavy ball."""

import numpy as np
import pytest

from metaplast.connections.dense import Dense
from metaplast.rules.polynomial import Polynomial
from metaplast.rules.wrappers.momentum import Momentum
from tests.rules._drive import drive

N_STEPS = 25
N_POST = 3
N_PRE = 2
SIGNALS = np.random.default_rng(0)
PRE = SIGNALS.normal(size=(N_STEPS, N_PRE))
POST = SIGNALS.normal(size=(N_STEPS, N_POST))
HEBB = Polynomial(terms=("post*pre",), initial=(1.0,), rate=0.05, learn="none")


@pytest.mark.parametrize("decay", [0.0, 0.5, 0.9])
def test_every_change_is_remembered_with_its_own_weight(decay):
    changes = 0.05 * POST[:, :, None] * PRE[:, None, :]
    ages = np.arange(N_STEPS)[:, None] - np.arange(N_STEPS)[None, :]
    weights = np.where(ages >= 0, (1 - decay) * decay ** np.maximum(ages, 0), 0.0)
    deltas, _ = drive(Momentum(rule=HEBB, decay=decay), Dense(N_POST, N_PRE), PRE, POST, dt=1e-3)
    np.testing.assert_allclose(deltas, np.einsum("ts,sji->tji", weights, changes), atol=1e-7)


def test_a_heavy_ball_takes_a_step_size_that_is_smaller_by_one_minus_decay():
    eta = 0.01
    decay = 0.8
    velocity = 0.0
    expected = []
    for pre, post in zip(PRE, POST, strict=True):
        velocity = decay * velocity + eta * np.outer(post, pre)
        expected.append(velocity)
    rule = Polynomial(terms=("post*pre",), initial=(1.0,), rate=eta / (1 - decay), learn="none")
    deltas, _ = drive(Momentum(rule=rule, decay=decay), Dense(N_POST, N_PRE), PRE, POST, dt=1e-3)
    np.testing.assert_allclose(deltas, expected, atol=1e-7)
