"""A choice is one unit, as often as softmax says; its derivative is that of the softmax."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from metaplast.neurons.choice import Choice
from metaplast.testing.base import finite_difference, quick_jit

DRIVE, BETA, N_DRAWS = np.asarray([0.5, -0.3, 0.0, 1.2]), 1.5, 4000
KEYS = partial(jax.random.split, jax.random.key(0))


def _softmax(x: np.ndarray) -> np.ndarray:
    return np.exp(x) / np.exp(x).sum()


@partial(quick_jit, static_argnums=0)
def _views(neuron: Choice, keys: Any) -> Any:
    return jax.vmap(
        lambda key: neuron.step({}, {}, {"soma": jnp.asarray(DRIVE, jnp.float32)}, 1e-3, key)[1]
    )(keys)


def _deviation(activity: np.ndarray, p: np.ndarray) -> float:
    """The largest distance between frequencies and probabilities, in standard errors."""
    return float(np.max(np.abs(activity.mean(axis=0) - p) / np.sqrt(p * (1 - p) / len(activity))))


def test_each_unit_wins_as_often_as_softmax_says():
    view = _views(Choice(inverse_temperature=BETA), KEYS(N_DRAWS))
    activity = np.asarray(view.activity)
    np.testing.assert_array_equal(activity.sum(axis=1), 1.0)
    assert set(np.unique(activity)) == {0.0, 1.0}
    assert _deviation(activity, _softmax(BETA * DRIVE)) < 4
    assert (
        _deviation(activity, _softmax(1.3 * BETA * DRIVE)) > 4
    )  # control: another temperature is told apart
    p = _softmax(BETA * DRIVE)
    np.testing.assert_allclose(view.gain[0], BETA * p * (1 - p), rtol=1e-5)


def test_a_sharp_choice_is_the_largest_drive():
    view = _views(Choice(inverse_temperature=1e4), KEYS(50))
    np.testing.assert_array_equal(view.activity, np.tile(np.eye(4)[3], (50, 1)))


def test_a_temperature_is_learned_through_the_probabilities_of_a_choice():
    """theta multiplies the inverse temperature by exp(5 theta); what is won has the derivative of
    its expectation.
    """
    neuron, worth = Choice(inverse_temperature=BETA, learn=True), np.asarray([1.0, -2.0, 0.5, 3.0])
    assert neuron.init(jax.random.key(0), 4) == {"log_inverse_temperature": 0.0}

    def won(theta: Any) -> Any:
        view = neuron.step(theta, {}, {"soma": jnp.asarray(DRIVE)}, 1e-3, jax.random.key(0))[1]
        return jnp.sum(worth * view.activity)

    def expected(theta: Any) -> float:
        return float(worth @ _softmax(BETA * np.exp(5 * theta["log_inverse_temperature"]) * DRIVE))

    with jax.enable_x64(True):
        grad = quick_jit(jax.grad(won))({"log_inverse_temperature": jnp.asarray(0.1)})
    slope = finite_difference(
        expected, {"log_inverse_temperature": 0.1}, {"log_inverse_temperature": 1.0}
    )
    np.testing.assert_allclose(grad["log_inverse_temperature"], slope, rtol=1e-6)
