"""Estimators of a gradient through drawn spikes, against the sum over every state."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from benchmarks import estimators as bench

TEMPERATURES = (0.3, 1.5)


@pytest.fixture(scope="module", autouse=True)
def _double():
    with jax.enable_x64(True):
        yield


@pytest.fixture(scope="module")
def weights(_double):
    return bench.drawn_weights(0)


@pytest.fixture(scope="module")
def exact(weights):
    return bench.exact_gradient(weights)


def _quality(estimator, weights, exact):
    return bench.quality(bench.moments(estimator, weights, n_batches=20, batch=200), exact)


def _expected_loss(weights):
    """A loop over patterns and over all states of the five units."""
    first, second = weights["input_to_hidden_1"], weights["hidden_1_to_output"]
    total = 0.0
    for x in itertools.product((0, 1), repeat=4):
        if all(x):
            continue
        for z in itertools.product((0, 1), repeat=5):
            chance = 1.0
            drives = [*(first @ np.asarray(x)), *(second @ np.asarray(z[:3]))]
            for state, drive in zip(z, drives, strict=True):
                p = 0.5 * (1.0 + np.tanh(0.5 * drive))
                chance *= p if state else 1.0 - p
            total += chance * (2 * z[3] + z[4] - sum(x)) ** 2 / 15
    return total


def test_the_exact_gradient_is_the_slope_of_a_loop_over_all_states(weights, exact):
    plain = {name: np.asarray(w) for name, w in weights.items()}
    np.testing.assert_allclose(bench.expected_loss(weights), _expected_loss(plain), rtol=1e-12)
    h = 1e-5
    for name, w in plain.items():
        slopes = np.zeros_like(w)
        for at in np.ndindex(*w.shape):
            step = np.zeros_like(w)
            step[at] = h
            above = _expected_loss({**plain, name: w + step})
            slopes[at] = (above - _expected_loss({**plain, name: w - step})) / (2 * h)
        np.testing.assert_allclose(exact[name], slopes, atol=1e-8)


def test_the_score_function_has_no_bias_that_its_interval_shows(weights, exact):
    found = []
    for baseline in (False, True):
        drawn = bench.moments(bench.score_function(baseline), weights, n_batches=20, batch=200)
        found.append(bench.quality(drawn, exact))
        assert found[-1].low == 0.0
        assert found[-1].high < 0.2
        assert found[-1].cosine > 0.98
        # Control: it is no estimate of the gradient at other weights.
        elsewhere = bench.exact_gradient(bench.drawn_weights(1))
        assert bench.quality(drawn, elsewhere).low > 0.5
    assert found[1].variance < 0.8 * found[0].variance


def test_straight_through_is_exact_where_the_loss_is_linear_and_not_elsewhere():
    """One layer: every draw is the gradient of a linear loss, and not of one with z_1 z_2."""

    def linear(output, pattern):
        return output @ jnp.asarray([1.5, -0.5]) - jnp.sum(pattern)

    weights = bench.drawn_weights(0, hidden=())
    off = {}
    for name, loss in {"linear": linear, "product": bench.counting}.items():
        estimator = bench.backward(bench.UNIT, loss, hidden=())
        exact = bench.exact_gradient(weights, loss, hidden=())
        draw = estimator(weights, jax.random.key(0))
        off[name] = max(float(jnp.abs(draw[e] - exact[e]).max()) for e in exact)
    assert off["linear"] < 1e-12
    assert off["product"] > 1e-2


@pytest.mark.parametrize("output", ["spikes", "relaxed"])
def test_a_lower_temperature_trades_bias_for_variance(weights, exact, output):
    found = []
    for temperature in TEMPERATURES:
        unit = bench.unit(surrogate="concrete", temperature=temperature, output=output)
        found.append(_quality(bench.backward(unit), weights, exact))
    for colder, warmer in itertools.pairwise(found):
        assert colder.high < warmer.low
        assert colder.variance > 3 * warmer.variance


def test_behind_hidden_units_straight_through_is_biased_and_another_shape_is_further_off(
    weights, exact
):
    straight = _quality(bench.backward(bench.UNIT), weights, exact)
    assert 0.2 < straight.low < straight.high < 0.5
    steep = bench.unit(surrogate="superspike", slope=25.0)
    assert _quality(bench.backward(steep), weights, exact).cosine < 0.8 < straight.cosine
