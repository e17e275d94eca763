"""Dendritic prediction: the change each product comes to, and the mean change in closed form."""

import math

import numpy as np
import pytest
from pydantic import ValidationError

from metaplast.connections.dense import Dense
from metaplast.connections.sparse import Sparse
from metaplast.registry import BadInput
from metaplast.rules.urbanczik_senn import UrbanczikSenn
from tests.rules._drive import drive

DT = 1e-3
ONE = Dense(1, 1)


def _phi(v: float) -> float:
    return 150.0 / (1.0 + 0.5 * math.exp(5.0 * (1.0 - v)))


def _h(v: float) -> float:
    """phi'/phi, by its definition."""
    return (math.log(_phi(v + 1e-6)) - math.log(_phi(v - 1e-6))) / 2e-6


def _changes(rule: UrbanczikSenn, pre, post, v: float):
    pre = np.asarray(pre, float)
    post = np.asarray(post, float)
    return drive(
        rule,
        ONE,
        pre[:, None],
        post[:, None],
        dt=DT,
        signals={"dendrite": np.full((len(post), 1), v)},
    )[0]


def test_one_postsynaptic_spike_meets_the_psp_and_is_filtered_once():
    """A silent dendrite (phi = 0) and a post spike 5 ms after the pre spike.

    The change is rate h PSP(5 ms) in all, and reaches the share 1 - exp(-t / tau_delta) of it after
    t.
    """
    pre = np.zeros(700)
    post = np.zeros(700)
    t = np.arange(700)
    pre[10] = post[15] = 1
    deltas = _changes(UrbanczikSenn(rate=0.1, received="spikes"), pre, post, -20.0)[:, 0, 0]
    whole = 0.1 * 5.0 * (10 / 7) * (math.exp(-0.5) - math.exp(-5 / 3))
    exact = np.where(t >= 15, whole * -np.expm1(-(t - 14) * DT / 100e-3), 0.0)
    np.testing.assert_allclose(np.cumsum(deltas), exact, rtol=1e-4, atol=1e-8)
    plain = _changes(UrbanczikSenn(rate=0.1, received="spikes", tau_delta=0.0), pre, post, -20.0)[
        :, 0, 0
    ]
    np.testing.assert_allclose(plain, np.where(t == 15, whole, 0.0), rtol=1e-4, atol=1e-8)
    psp = np.where(t >= 10, (10 / 7) * (np.exp((10 - t) / 10) - np.exp((10 - t) / 3)), 0.0)
    from_psp = _changes(UrbanczikSenn(rate=0.1), psp, post, -20.0)[:, 0, 0]
    np.testing.assert_allclose(from_psp, deltas, rtol=1e-3, atol=1e-7)


@pytest.mark.parametrize("v", [0.6, 1.1])
def test_on_average_nothing_changes_where_the_soma_fires_as_the_dendrite_predicts(v):
    """For independent pre spikes, the mean change is 0 at equal rates; a faster soma raises it.

        mean change per second = rate h(V*) (P(soma) - P(V*)) / dt mean PSP
        P = 1 - exp(-phi dt)

    The standard error comes from 300 synapses.
    """
    rng = np.random.default_rng(2)
    n = 300
    steps = 1500
    nu = 20.0
    lanes = Sparse(n, n, probability=1.0 / n, seed=0)
    q = [math.exp(-DT / tau) for tau in (10e-3, 3e-3)]
    psp = nu * DT * (10 / 7) * (q[0] / (1 - q[0]) - q[1] / (1 - q[1]))
    for soma in (v, v + 0.4, v - 0.4):
        p, predicted = (-math.expm1(-_phi(u) * DT) for u in (soma, v))
        pre = rng.random((steps, n)) < nu * DT
        post = rng.random((steps, n)) < p
        dendrite = {"dendrite": np.full((steps, n), v)}
        rule = UrbanczikSenn(rate=1.0, received="spikes", tau_delta=0.0)
        drift = drive(rule, lanes, pre, post, dt=DT, signals=dendrite)[0][100:].mean(axis=0) / DT
        expected = _h(v) * (p - predicted) / DT * psp
        error = drift.std() / math.sqrt(drift.size)
        assert abs(drift.mean() - expected) < 4 * error
        assert expected == 0.0 if soma == v else abs(expected) > 4 * error


def test_a_rise_slower_than_the_decay_is_refused():
    with pytest.raises((BadInput, ValidationError), match=r"tau_rise=0\.02"):
        UrbanczikSenn(tau_rise=20e-3)
