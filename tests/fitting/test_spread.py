"""The spike-timing window of a fitted rule beside that of the truth."""

import jax
import numpy as np
import pytest

from metaplast.fitting.bootstrap import Bootstrap
from metaplast.fitting.certainty import Certainty
from metaplast.fitting.data import Source
from metaplast.fitting.geometry import Moves
from metaplast.fitting.intervals import NumberIntervals
from metaplast.fitting.spread import LAGS, half_width, spike_window
from metaplast.life.lifetime import Lifetime, Slot
from metaplast.rules.stdp import Stdp
from metaplast.rules.trace_taylor import TraceTaylor
from metaplast.rules.wrappers.three_factor import ThreeFactor
from metaplast.spec import decode

PAIRS = Stdp(potentiation=0.3, depression=0.3)


def _lived(rule) -> Lifetime:
    task = decode("task", {"name": "spike_pattern_reward"})
    network = decode("network", {"name": "feedforward"})
    return Lifetime(task=task, network=network, slots=(Slot("learnt", "*", rule),))  # pyright: ignore[reportArgumentType]


def test_a_modulated_rule_and_a_truth_with_numbers_of_its_own_have_windows():
    terms = ("pre*post_trace", "post*pre_trace")
    truth = _lived(TraceTaylor(terms=terms, initial=(-0.3, 0.3), rate=1.0))
    fitted = _lived(ThreeFactor(rule=PAIRS))
    source = Source(truth, truth.init(jax.random.key(1)))
    theta = fitted.init(jax.random.key(0))
    window = spike_window(fitted, theta, source, Certainty(None, None))
    assert window is not None and window.gated == ("fitted",) and window.band is None
    lag, change = window.curves["fitted"]
    np.testing.assert_allclose(lag, LAGS, rtol=1e-6)
    assert change[60 + 10] == pytest.approx(0.3 * np.exp(-0.5), rel=1e-4)
    np.testing.assert_allclose(window.curves["true"].change, change, atol=1e-6)


def test_half_an_interval_of_what_a_rule_does_is_that_of_the_delta_method():
    """f = a . x with covariance V has the half interval t sqrt(a V a).

    The wider of two covariances counts. There is none where a number is open.
    """
    rng = np.random.default_rng(0)
    a = rng.normal(size=(5, 2))
    roots = rng.normal(size=(2, 2, 2))
    theta = {"rules": {"c": np.array([0.3, -0.2])}}
    moves = []
    expected = []
    for t, root in zip((2.0, 3.0), roots, strict=True):
        moves.append(Moves(t, [{"rules": {"c": move}} for move in root]))
        expected.append(t * np.sqrt(np.einsum("ki,ij,kj->k", a, root.T @ root, a)))
    known = NumberIntervals(["c"], {}, [], [], [], "subjects", 5, 1.0, [], moves, "")
    width = half_width(theta, Certainty(known, None), lambda theta: a @ theta["rules"]["c"])
    assert width is not None
    np.testing.assert_allclose(width, np.max(expected, axis=0))
    is_open = known._replace(moves=None)
    assert half_width(theta, Certainty(is_open, None), lambda theta: a[0]) is None
    assert half_width(theta, Certainty(None, None), lambda theta: a[0]) is None
    values = np.array([[1.0], [2.0], [4.0]])
    refits = Bootstrap(["c"], values, {}, [], {"rules": {"c": values}}, 0, 0)
    half = half_width(theta, Certainty(None, refits), lambda theta: 2.0 * theta["rules"]["c"])
    assert half is not None
    np.testing.assert_allclose(half, 4.3026527 * 2.0 * values.std(axis=0, ddof=1))
