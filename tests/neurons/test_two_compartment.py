"""The dendrite predicts the soma where nobody teaches; the soma fires as often as phi says."""

import jax
import numpy as np
import pytest

from metaplast.neurons.two_compartment import TwoCompartment
from metaplast.testing import neuron as contract
from tests.neurons._constant import DT, population

CELL = TwoCompartment()


def _phi(u: np.ndarray) -> np.ndarray:
    return 150.0 / (1.0 + 0.5 * np.exp(5.0 * (1.0 - u)))


def test_without_a_teacher_the_soma_comes_to_what_the_dendrite_shows():
    v_w = np.array([-0.4, 0.0, 0.7, 1.3])
    view = population(CELL, 60, DT, dendrite=v_w)
    np.testing.assert_allclose(view.dendrite, np.broadcast_to(20 / 21 * v_w, (60, 4)), rtol=1e-12)
    np.testing.assert_allclose(view.potential[-1], view.dendrite[-1], rtol=1e-12)
    t = DT * np.arange(1, 61)[:, None]
    np.testing.assert_allclose(
        view.potential, 20 / 21 * v_w * (1 - np.exp(-21 * t / 10e-3)), rtol=1e-9
    )


def test_a_teacher_pulls_the_soma_to_its_matching_potential_and_leaves_the_dendrite_alone():
    g_e, g_i, v_w = np.array([0.0, 50.0, 1e6]), np.array([30.0, 20.0, 5e5]), np.full(3, 0.5)
    view = population(CELL, 60, DT, dendrite=v_w, excitatory=g_e, inhibitory=g_i)
    matching = (14 / 3 * g_e - g_i / 3) / (g_e + g_i)
    expected = (21 * (20 / 21 * v_w) + (g_e + g_i) * matching) / (21 + g_e + g_i)
    np.testing.assert_allclose(view.potential[-1], expected, rtol=1e-12, atol=1e-15)
    assert view.potential[-1, 2] == pytest.approx(matching[2], rel=1e-4)
    np.testing.assert_allclose(view.dendrite, 10 / 21, rtol=1e-12)


def test_spikes_are_as_frequent_as_phi_says_and_the_score_is_the_slope_of_their_likelihood():
    levels, n, h = np.array([0.3, 0.9, 1.4]), 500, 1e-6
    u = np.repeat(levels, n)
    spikes = population(CELL, 100, DT, dendrite=21 / 20 * u)
    p = lambda u: -np.expm1(-_phi(u) * DT)
    found = spikes.activity[60:].reshape(40, 3, n).mean(axis=(0, 2))
    error = np.sqrt(p(levels) * (1 - p(levels)) / (40 * n))
    assert (np.abs(found - p(levels)) < 4 * error).all()
    assert (
        np.abs(found - p(levels - 0.3)) > 4 * error
    ).all()  # control: another potential is told apart
    assert p(levels)[-1] > 0.1
    gain, score = spikes.gain[-1], spikes.score[-1]
    np.testing.assert_allclose(gain, (p(u + h) - p(u - h)) / (2 * h), rtol=1e-6)
    of_spike = (np.log(p(u + h)) - np.log(p(u - h))) / (2 * h)
    of_none = (np.log(1 - p(u + h)) - np.log(1 - p(u - h))) / (2 * h)
    np.testing.assert_allclose(
        score, np.where(spikes.activity[-1] > 0, of_spike, of_none), rtol=1e-6
    )

    rate = population(TwoCompartment(output="rate"), 100, DT, dendrite=21 / 20 * u)
    np.testing.assert_allclose(rate.activity[-1], p(u), rtol=1e-9)
    np.testing.assert_array_equal(rate.gain[-1], gain)


def test_the_rate_form_has_the_gain_of_its_activity_and_draws_nothing():
    with jax.enable_x64(True):
        contract.check_gain(TwoCompartment(output="rate"), {})
    drawn = CELL.offers - TwoCompartment(output="rate").offers
    assert drawn == {"score", "log_probability"}
    assert CELL.spiking and not TwoCompartment(output="rate").spiking


def test_no_potential_is_too_extreme_for_finite_numbers():
    view = population(CELL, 5, DT, soma=np.array([-1e8, 1e8]))
    for field in (view.potential, view.gain, view.score, view.activity):
        assert np.isfinite(field).all()
