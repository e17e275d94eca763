"""A unit with escape noise spikes as often as its rate says; its score is the slope of the log-likelihood."""

import math

import jax
import jax.numpy as jnp
import numpy as np

from metaplast._checks.base import quick_jit
from metaplast.neurons.choice import Choice
from metaplast.neurons.escape import Escape

DRIVE, DT, N_DRAWS = np.asarray([0.2, 0.9, 1.1, 1.4]), 2e-3, 4000
ESCAPE = Escape(rate=40.0, threshold=1.0, width=0.3)


def _views(neuron):
    step = quick_jit(jax.vmap(lambda key: neuron.step({}, {}, {"soma": jnp.asarray(DRIVE, jnp.float32)}, DT, key)[1]))
    return jax.tree.map(np.asarray, step(jax.random.split(jax.random.key(0), N_DRAWS)))


def _p(u):
    return -np.expm1(-40.0 * DT * np.exp((u - 1.0) / 0.3))


def test_spikes_are_as_frequent_as_the_rate_says_and_the_score_is_the_slope_of_their_likelihood():
    view, p, h = _views(ESCAPE), _p(DRIVE), 1e-6
    assert set(np.unique(view.activity)) == {0.0, 1.0}
    error = np.sqrt(p * (1 - p) / N_DRAWS)
    assert (np.abs(view.activity.mean(axis=0) - p) < 4 * error).all()
    assert (np.abs(view.activity.mean(axis=0) - _p(DRIVE + 0.1)) > 4 * error)[1:].all()  # control: another drive
    of_spike = (np.log(_p(DRIVE + h)) - np.log(_p(DRIVE - h))) / (2 * h)
    of_none = (np.log(1 - _p(DRIVE + h)) - np.log(1 - _p(DRIVE - h))) / (2 * h)
    np.testing.assert_allclose(view.score, np.where(view.activity > 0, of_spike, of_none), rtol=1e-4)
    np.testing.assert_allclose(view.gain[0], (_p(DRIVE + h) - _p(DRIVE - h)) / (2 * h), rtol=1e-4)
    assert (np.abs(view.score.mean(axis=0)) < 4 * view.score.std(axis=0) / math.sqrt(N_DRAWS)).all()


def test_no_drive_is_too_strong_or_too_weak_for_finite_numbers():
    drive = {"soma": jnp.asarray([-1e6, 1e6], jnp.float32)}
    view = quick_jit(lambda key: ESCAPE.step({}, {}, drive, DT, key)[1])(jax.random.key(0))
    assert np.isfinite(view.score).all() and np.isfinite(view.gain).all()
    np.testing.assert_array_equal(view.activity, [0.0, 1.0])


def test_the_score_of_a_choice_is_the_slope_of_the_log_of_softmax():
    view = _views(Choice(inverse_temperature=1.5))
    slopes = quick_jit(jax.jacobian(lambda u: jax.nn.log_softmax(1.5 * u)))(jnp.asarray(DRIVE, jnp.float32))
    np.testing.assert_allclose(view.score, np.asarray(slopes)[view.activity.argmax(axis=1)], atol=1e-5)
