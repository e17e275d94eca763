"""The spike-timing window of a fitted rule beside that of the truth."""

import jax
import numpy as np
import pytest

from metaplast.fitting.data import Source
from metaplast.fitting.spread import LAGS, spike_window
from metaplast.lifetime import Lifetime, Slot
from metaplast.rules.stdp import Stdp
from metaplast.rules.three_factor import ThreeFactor
from metaplast.rules.trace_taylor import TraceTaylor
from metaplast.spec import decode

PAIRS = Stdp(potentiation=0.3, depression=0.3)


def _lived(rule) -> Lifetime:
    task, network = decode("task", {"name": "rewarded_patterns"}), decode("network", {"name": "feedforward"})
    return Lifetime(task=task, network=network, slots=(Slot("learnt", "*", rule),))  # pyright: ignore[reportArgumentType]


def test_a_modulated_rule_and_a_truth_with_numbers_of_its_own_have_windows():
    truth = _lived(TraceTaylor(terms=("pre*post_trace", "post*pre_trace"), initial=(-0.3, 0.3), rate=1.0))
    fitted = _lived(ThreeFactor(rule=PAIRS))
    found = spike_window(fitted, fitted.init(jax.random.key(0)), Source(truth, truth.init(jax.random.key(1))), None)
    assert found is not None and found.gated == ("fitted",) and found.band is None
    lag, made = found.curves["fitted"]
    np.testing.assert_allclose(lag, LAGS, rtol=1e-6)
    assert made[60 + 10] == pytest.approx(0.3 * np.exp(-0.5), rel=1e-4)
    np.testing.assert_allclose(found.curves["true"][1], made, atol=1e-6)
