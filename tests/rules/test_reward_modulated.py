"""Reward-modulated spike-timing: three_factor around a rule is the model of Izhikevich (2007)."""

import math

import jax
import numpy as np
import pytest

from metaplast.connections.dense import Dense
from metaplast.rules.clopath import Clopath
from metaplast.rules.stdp import Stdp
from metaplast.rules.trace_taylor import TraceTaylor
from metaplast.rules.triplet import Triplet
from metaplast.rules.urbanczik_senn import UrbanczikSenn
from metaplast.rules.vogels import Vogels
from metaplast.rules.wrappers.three_factor import ThreeFactor
from tests.rules._drive import drive

# seconds, seconds, dopamine released
TAU_C = 1.0
TAU_D = 0.2
D0 = 0.5
PAIR = Stdp(potentiation=1.0, depression=1.5)  # Izhikevich: A- = 1.5 A+, 20 ms


def _change(dt: float, lag: float, reward: float) -> float:
    """The whole change by a pair at 0.1 s, post `lag` s after pre.

    Dopamine is d(t) = D0 exp(-(t - reward) / TAU_D).
    """
    n = round(3.0 / dt)
    t = dt * np.arange(n)
    pre = np.zeros((n, 1))
    post = np.zeros((n, 1))
    pre[round(0.1 / dt)] = post[round((0.1 + lag) / dt)] = 1
    dopamine = np.where(t >= reward - dt / 2, D0 * np.exp(-(t - reward) / TAU_D), 0.0)
    rule = ThreeFactor(rule=PAIR, tau=TAU_C, rate=dt, modulator="dopamine")
    with jax.enable_x64(True):
        deltas, _ = drive(rule, Dense(1, 1), pre, post, dt=dt, modulators={"dopamine": dopamine})
    return float(deltas.sum())


def _window(lag: float) -> float:
    return math.exp(-lag / 20e-3) if lag > 0 else -1.5 * math.exp(lag / 20e-3)


@pytest.mark.parametrize("lag", [10e-3, -20e-3])
def test_a_pair_is_paid_by_what_is_left_of_it_when_dopamine_comes(lag):
    """dc/dt = -c / tau_c + STDP and dw/dt = c d, where rate = dt makes an integral of the sum.

    The closed form is the c that is left at the reward, times D0 / (1 / tau_c + 1 / tau_d). At a
    step of dt it is the geometric sum, whose error is linear in dt.
    """
    reward = 0.6
    start = 0.1 + max(lag, 0.0)
    r = 1.0 / TAU_C + 1.0 / TAU_D
    left = _window(lag) * math.exp(-(reward - start) / TAU_C)
    exact = left * D0 / r
    off = []
    for dt in (2e-3, 1e-3, 5e-4):
        change = _change(dt, lag, reward)
        assert change == pytest.approx(left * D0 * dt / -math.expm1(-dt * r), rel=1e-5)
        off.append(abs(change / exact - 1.0))
    assert off[1] < 0.004
    np.testing.assert_allclose(np.array(off[:-1]) / off[1:], 2.0, rtol=0.02)


def test_reward_before_the_pair_pays_nothing_once_it_is_gone():
    early = _change(1e-3, 10e-3, -3.0)
    late = _change(1e-3, 10e-3, 0.3)
    assert abs(early) < 1e-6 * late
    assert _change(1e-3, 10e-3, 0.3) > _change(1e-3, 10e-3, 0.9) > 0.0  # the later, the less
    assert _change(1e-3, -10e-3, 0.3) < 0.0


INNER = [
    Stdp(pairing="nearest", mu_potentiation=0.5),
    Triplet(a2_plus=0.01),
    Vogels(),
    Clopath(),
    UrbanczikSenn(),
]
INNER += [TraceTaylor(initial=(-0.1, 0.5, 0.1, 0.6))]


@pytest.mark.parametrize("inner", INNER, ids=lambda rule: type(rule).__name__)
def test_any_rule_of_spikes_is_eligible(inner):
    """e is the change that the inner rule would have made, faded with tau; delta_w = rate m e.

    Without a modulator nothing changes.
    """
    rng = np.random.default_rng(0)
    dt = 1e-3
    pre = rng.random((60, 2)) < 0.2
    post = rng.random((60, 2)) < 0.2
    reward = rng.normal(size=60)
    reward[20:40] = 0.0
    edge = Dense(2, 2)
    more = {"weight": 0.4, "signals": {"potential": rng.normal(size=(60, 2)) - 50.0}}
    changes, _ = drive(inner, edge, pre, post, dt=dt, **more)
    rule = ThreeFactor(rule=inner, tau=0.03, rate=0.7)
    deltas, _ = drive(rule, edge, pre, post, dt=dt, modulators={"reward": reward}, **more)
    e = np.zeros((2, 2))
    for t in range(60):
        e = math.exp(-dt / 0.03) * e + changes[t]
        np.testing.assert_allclose(
            deltas[t], 0.7 * reward[t] * e, rtol=2e-4, atol=1e-6 * np.abs(changes).max()
        )
    assert np.abs(deltas).max() > 0.0 and np.all(deltas[20:40] == 0.0)
