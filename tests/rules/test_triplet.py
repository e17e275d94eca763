"""The triplet rule: the experiments to which it was fitted, and its pairs without triplets."""

import itertools

import numpy as np
import pytest

from metaplast.connections.dense import Dense
from metaplast.reuse.known import known_rule
from metaplast.rules.stdp import Stdp
from metaplast.rules.triplet import Triplet
from metaplast.spec import decode
from tests.oracles import events
from tests.rules._drive import drive

DT = 1e-3
PAIRINGS = 60
N_STEPS = 61_100
# hertz; 1 stands for 0.1: a second forgets all but 2e-4
FREQUENCIES = (
    1.0,
    10.0,
    20.0,
    40.0,
    50.0,
)
LAGS = (10, -10)  # steps from pre to post


@pytest.fixture(scope="module")
def trains():
    """Spikes of pre and post, and the protocols.

    Every post comes before the next protocol's pre.

    Returns: (pre [n_steps, n_protocols], post [n_steps, n_protocols], (lag, frequency) of each).
    """
    protocols = list(itertools.product(LAGS, FREQUENCIES))
    pre = np.zeros((N_STEPS, len(protocols)))
    post = np.zeros((N_STEPS, len(protocols)))
    for k, (lag, frequency) in enumerate(protocols):
        starts = 20 + np.arange(PAIRINGS) * round(1.0 / frequency / DT)
        pre[starts, k] = post[starts + lag, k] = 1.0
    return pre, post, protocols


def _changes(rule, trains):
    """{lag: change at each frequency}: neuron k only meets neuron k."""
    pre, post, protocols = trains
    n = len(protocols)
    total = _sum(rule, pre, post, n)
    changes = {}
    for lag in LAGS:
        changes[lag] = np.array([total[protocols.index((lag, f))] for f in FREQUENCIES])
    return changes


def _sum(rule, pre, post, n):
    return np.diagonal(drive(rule, Dense(n, n), pre, post, dt=DT)[0].sum(axis=0))


def test_pairings_at_rising_frequency_end_in_potentiation_of_both_orders(trains):
    """Sjoestroem, Turrigiano & Nelson 2001.

    At low frequency the order decides. At 40 Hz and above, both orders potentiate.
    """
    rule = decode("rule", known_rule("triplet_visual"))
    # from any bound
    changes = _changes(rule, trains)
    far = 100.0
    for lag, frequency in itertools.product(LAGS, FREQUENCIES):
        spikes = [train[:, [trains[2].index((lag, frequency))]] for train in trains[:2]]
        first = np.array([[far / 2]])
        last = events.weights(lambda: events.triplet(rule, far), *spikes, first, DT, far)
        exact = last[0, 0] - far / 2
        assert changes[lag][FREQUENCIES.index(frequency)] == pytest.approx(exact, abs=1e-5)
    assert abs(changes[10][0]) < 0.01 and np.all(np.diff(changes[10]) > 0.1)
    assert changes[-10][0] < -0.3 and np.all(changes[-10][-2:] > 0.1)


@pytest.mark.parametrize("name", ["triplet_visual_nearest", "triplet"])
def test_the_other_fits_to_visual_cortex_show_the_same(name, trains):
    changes = _changes(Triplet() if name == "triplet" else decode("rule", known_rule(name)), trains)
    assert abs(changes[10][0]) < 0.05 and np.all(np.diff(changes[10]) > 0.0)
    assert changes[-10][0] < -0.25 and changes[-10][-1] > 0.25


def test_a_pair_rule_does_not(trains):
    """The control: pairs alone depress more, not less, the faster they come."""
    changes = _changes(
        Stdp(potentiation=5e-3, depression=7.1e-3, tau_pre=16.8e-3, tau_post=33.7e-3), trains
    )
    assert np.all(np.diff(changes[10]) < 0.0) and np.all(np.diff(changes[-10]) < 0.0)


def test_without_triplets_it_is_the_pair_rule():
    rng = np.random.default_rng(0)
    pre = rng.random((200, 3)) < 0.1
    post = rng.random((200, 2)) < 0.1
    shared = {
        "mu_potentiation": 1.0,
        "mu_depression": 0.4,
        "at_post_spike": "none",
        "pairing": "nearest",
    }
    triplet = Triplet(a2_plus=0.3, a2_minus=0.4, a3_plus=0.0, a3_minus=0.0, **shared)
    pair = Stdp(potentiation=0.3, depression=0.4, tau_pre=16.8e-3, tau_post=33.7e-3, **shared)
    changes = [
        drive(rule, Dense(2, 3), pre, post, dt=DT, weight=0.3)[0] for rule in (triplet, pair)
    ]
    # a change may be the rest of two that cancel
    np.testing.assert_allclose(*changes, rtol=1e-6, atol=3e-8)
    assert np.abs(changes[0]).max() > 0.1
