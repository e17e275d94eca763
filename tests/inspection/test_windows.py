"""Spike-timing windows against the closed forms of known rules."""

import math
from dataclasses import replace

import numpy as np
import pytest

from metaplast.inspection.windows import window
from metaplast.reuse.load import load_rule
from metaplast.rules.stdp import Stdp
from metaplast.rules.three_factor import ThreeFactor
from metaplast.rules.vogels import Vogels


def _of(spec, **fields):
    return window(replace(load_rule("oja"), spec=spec, theta={}, **fields))


def test_pair_stdp_is_two_exponentials_and_nothing_without_a_partner():
    found = _of(Stdp(potentiation=0.3, depression=0.4, tau_pre=17e-3, tau_post=34e-3))
    later = found.lags > -1e-9  # the default order: a coincident pair potentiates
    up, down = 0.3 * np.exp(-found.lags / 17e-3), -0.4 * np.exp(found.lags / 34e-3)
    np.testing.assert_allclose(found.pair, np.where(later, up, down), rtol=2e-5)
    assert found.alone == 0.0
    assert found.lags[0] == pytest.approx(-0.1) and found.lags[-1] == pytest.approx(0.1)


def test_what_spikes_change_without_a_partner_stands_beside_the_window():
    found = _of(Vogels(rate=0.1, target_rate=5.0, tau=20e-3))
    assert found.alone == pytest.approx(-0.1 * 2 * 5.0 * 20e-3, rel=1e-5)
    np.testing.assert_allclose(found.pair, found.alone + 0.1 * np.exp(-np.abs(found.lags) / 20e-3), atol=1e-6)


def test_a_modulated_window_is_that_of_the_rule_inside_summed_over_its_eligibility():
    """With the modulator at 1 a pair at +5 ms counts rate / (1 - exp(-dt / tau)) times, up to the window's end."""
    inner = Stdp(potentiation=0.3, depression=0.4)
    rule = ThreeFactor(rule=inner, tau=5e-3, rate=0.1)
    theta = {"rule": {}, "log_rate": np.zeros(()), "log_tau": np.zeros(())}
    found = window(replace(load_rule("oja"), spec=rule, theta=theta, reads=frozenset({"modulators.reward"})))
    at = int(np.flatnonzero(np.isclose(found.lags, 5e-3))[0])
    summed = (1 - math.exp(-96 / 5)) / (1 - math.exp(-1 / 5))
    assert found.pair[at] == pytest.approx(0.1 * 0.3 * math.exp(-5 / 20) * summed, rel=1e-4)


def test_a_rule_without_spike_times_has_no_window():
    assert window(load_rule("oja")) is None
