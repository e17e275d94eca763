"""A Poisson source fires as often as its rate says, with and without a dead time; its score is a
log-likelihood's.
"""

import numpy as np

from metaplast.neurons.poisson import Poisson
from metaplast.neurons.refractory import Refractory
from tests.neurons._constant import DT, population

RATE, N = 80.0, 400


def _p(rate: float) -> float:
    return -np.expm1(-rate * DT)


def test_spikes_are_as_frequent_and_as_irregular_as_a_poisson_process():
    view = population(Poisson(scale=2.0), 500, DT, soma=np.full(N, RATE / 2))
    z, p = view.activity, _p(RATE)
    n, error = z.size, np.sqrt(p * (1 - p) / z.size)
    assert set(np.unique(z)) == {0.0, 1.0}
    assert abs(z.mean() - p) < 4 * error
    assert abs(z.mean() - _p(1.1 * RATE)) > 4 * error  # control: another rate is told apart
    assert abs(np.mean(z[1:] * z[:-1]) - p**2) < 4 * p / np.sqrt(n)  # no memory
    other = population(Poisson(scale=2.0), 500, DT, seed=1, soma=np.full(N, RATE / 2)).activity
    assert (other != z).any()


def test_gain_and_score_are_slopes_of_the_probability_and_of_its_logarithm():
    drives = np.array([20.0, 150.0, 900.0])
    view, h = population(Poisson(), 200, DT, soma=drives), 1e-4
    assert view.activity[:, 1:].any(axis=0).all()
    np.testing.assert_allclose(view.gain[0], (_p(drives + h) - _p(drives - h)) / (2 * h), rtol=1e-6)
    of_spike = (np.log(_p(drives + h)) - np.log(_p(drives - h))) / (2 * h)
    np.testing.assert_allclose(view.score, np.where(view.activity > 0, of_spike, -DT), rtol=1e-6)


def test_without_a_positive_rate_nothing_happens_and_all_numbers_are_finite():
    view = population(Poisson(), 20, DT, soma=np.array([0.0, -50.0]))
    for field in (view.activity, view.gain, view.score):
        np.testing.assert_array_equal(field, 0.0)


def test_a_dead_time_lowers_the_rate_to_its_closed_form():
    """Mean interval: the steps held, and 1 / p of waiting."""
    neuron = Refractory(neuron=Poisson(), period=5 * DT)
    z = population(neuron, 1000, DT, soma=np.full(N, 4 * RATE)).activity
    expected = 1.0 / (5.0 + 1.0 / _p(4 * RATE))
    assert abs(z[100:].mean() / expected - 1.0) < 0.01
    assert all(np.diff(np.flatnonzero(z[:, k])).min() >= 6 for k in range(N))
