"""Spike-timing windows against the closed forms of known rules."""

from dataclasses import replace

import jax
import numpy as np
import pytest

from metaplast.connections.dense import Dense
from metaplast.figures import spike_windows
from metaplast.results.windows import spike_window
from metaplast.reuse.load import load_rule
from metaplast.rules.clopath import Clopath
from metaplast.rules.polynomial import Polynomial
from metaplast.rules.stdp import Stdp
from metaplast.rules.vogels import Vogels
from metaplast.rules.wrappers.scale import Scale
from metaplast.rules.wrappers.sum import Sum
from metaplast.rules.wrappers.three_factor import ThreeFactor


def _of(spec, **fields):
    return spike_window(replace(load_rule("oja"), spec=spec, theta={}, **fields))


def test_pair_stdp_is_two_exponentials_and_nothing_without_a_partner():
    window = _of(Stdp(potentiation=0.3, depression=0.4, tau_pre=17e-3, tau_post=34e-3))
    later = window.lags > -1e-9  # the default order: a coincident pair potentiates
    up, down = 0.3 * np.exp(-window.lags / 17e-3), -0.4 * np.exp(window.lags / 34e-3)
    np.testing.assert_allclose(window.pair, np.where(later, up, down), rtol=2e-5)
    assert window.alone == 0.0 and not window.gated
    assert window.lags[0] == pytest.approx(-0.1) and window.lags[-1] == pytest.approx(0.1)


def test_what_spikes_change_without_a_partner_stands_beside_the_window():
    window = _of(Vogels(rate=0.1, target_rate=5.0, tau=20e-3))
    assert window.alone == pytest.approx(-0.1 * 2 * 5.0 * 20e-3, rel=1e-5)
    np.testing.assert_allclose(
        window.pair, window.alone + 0.1 * np.exp(-np.abs(window.lags) / 20e-3), atol=1e-6
    )


@pytest.mark.parametrize("around", ["itself", "scaled"])
def test_a_modulated_window_is_that_of_what_becomes_eligible(around, tmp_path):
    """An eligibility of 1 s outlasts the window: what had been applied by its end would make an odd
    window lopsided.
    """
    rule = ThreeFactor(
        rule=Stdp(potentiation=0.3, depression=0.3, at_post_spike="none"), tau=1.0, rate=0.1
    )
    rule = Scale(rule=rule, factor=0.5) if around == "scaled" else rule
    theta = rule.init(jax.random.key(0), Dense(1, 1))
    window = spike_window(
        replace(load_rule("oja"), spec=rule, theta=theta, reads=frozenset({"modulators.reward"}))
    )
    np.testing.assert_allclose(window.pair, -window.pair[::-1], atol=1e-6)
    later = window.lags > 0
    np.testing.assert_allclose(
        window.pair[later], 0.3 * np.exp(-window.lags[later] / 20e-3), rtol=1e-4
    )
    assert window.gated and window.alone == 0.0
    section, numbers = spike_windows.part({"rule": window}, tmp_path)
    assert (
        "shown is what the pair makes eligible" in section.paragraphs[1]
        and numbers["rule"]["eligible_only"]
    )


def test_a_rule_without_spike_times_has_no_window():
    assert spike_window(load_rule("oja")) is None


def test_a_rule_of_spike_times_that_a_pair_alone_does_not_tell_has_no_window():
    """One that reads the potential, one that gives credit for a score, one of several parts, bare
    or wrapped.
    """
    voltage = _of(Clopath(), reads=frozenset({"pre.activity", "post.potential"}))
    parts = Sum((("pairs", Stdp()), ("decay", Polynomial(("weight",), learn="none"))))
    assert [voltage, spike_window(load_rule("policy_gradient")), _of(parts), _of(Scale(parts))] == [
        None
    ] * 4
    assert _of(Scale(Stdp(), learn=False)) is not None
