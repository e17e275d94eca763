"""The yin-yang sign: where its points lie, and what is shown of them."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from inner_tasks import _few_shot
from inner_tasks.yin_yang import YinYang, point
from metaplast.signals import neuron_view
from metaplast.testing.base import quick_jit

N = 30_000


def _class(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The class of a point of the sign, by the conditions of the source; -1 outside of it."""
    right = np.hypot(x - 0.75, y - 0.5)
    left = np.hypot(x - 0.25, y - 0.5)
    dots = (right <= 0.1) | (left <= 0.1)
    yin = (right <= 0.1) | ((left > 0.1) & (left <= 0.25)) | ((y > 0.5) & (right > 0.25))
    label = np.where(dots, 2, np.where(yin, 0, 1))
    return np.where(np.hypot(x - 0.5, y - 0.5) > 0.5 + 1e-6, -1, label)


def _drawn() -> tuple[np.ndarray, np.ndarray]:
    points, labels = quick_jit(jax.vmap(point))(jax.random.uniform(jax.random.key(0), (N, 5)))
    return np.asarray(points, float), np.asarray(labels)


def test_points_lie_in_their_class():
    points, labels = _drawn()
    wrong = _class(*points.T) != labels
    assert wrong.mean() < 1e-3  # single precision at the borders
    share = np.bincount(labels, minlength=3) / N
    np.testing.assert_allclose(share, 1 / 3, atol=4 * np.sqrt(2 / 9 / N))


def test_points_are_uniform_within_their_class():
    """Against points of the unit square that are kept where they are of the class."""
    points, labels = _drawn()
    rng = np.random.default_rng(0)
    square = rng.uniform(size=(20 * N, 2))
    kept = _class(*square.T)
    edges = np.linspace(0, 1, 9)
    for label in range(3):
        own = points[labels == label]
        other = square[kept == label]
        counts = np.histogram2d(*own.T, bins=[edges, edges])[0].ravel()
        expected = np.histogram2d(*other.T, bins=[edges, edges])[0].ravel()
        expected *= len(own) / len(other)
        full = expected > 20
        chi = np.sum((counts - expected)[full] ** 2 / expected[full])
        n = full.sum()
        assert chi < n + 5 * np.sqrt(2 * n)


def test_a_latency_is_one_spike_of_each_input_the_earlier_the_larger():
    family = YinYang(code="latency", span=10, point_steps=14)
    inputs = jnp.asarray([[0.0, 0.26, 1.0, 0.74, 1.0]])
    task = _few_shot.Stream(inputs=inputs, labels=jnp.zeros(1, int))

    def one(t: Any) -> Any:
        return family.stimulus(task, t, jax.random.key(0), 1e-3)["input"]

    spikes = np.asarray(jax.vmap(one)(jnp.arange(14, dtype=jnp.int32)))
    assert spikes.sum(axis=0).tolist() == [1, 1, 1, 1, 1]
    assert spikes.argmax(axis=0).tolist() == [10, 7, 0, 3, 0]


def test_both_codes_show_the_same_points_and_ask_for_the_same_answers():
    value = YinYang(n_train=3, n_test=2)
    latency = YinYang(n_train=3, n_test=2, code="latency", span=4, point_steps=6)
    key = jax.random.key(3)
    for split in ("train", "heldout"):
        task = value.sample(key, split)
        np.testing.assert_array_equal(task.inputs, latency.sample(key, split).inputs)
    view = neuron_view(*3 * [jnp.asarray([0.3, -1.0, 2.0])])
    steps = jnp.arange(30, dtype=jnp.int32)
    ask = lambda family: jax.vmap(lambda t: family.step(task, t, view, key, 1e-3)[1])
    out, plain = ask(latency)(steps), ask(value)(steps[:5])
    end = np.arange(30) % 6 == 5
    np.testing.assert_array_equal(out.score.weight, end)
    np.testing.assert_array_equal(out.feedback.gate, end)
    np.testing.assert_array_equal(out.score.loss[end], plain.score.loss)
    np.testing.assert_array_equal(out.feedback.error[end], plain.feedback.error)
    assert not np.any(out.feedback.error[~end])


def test_a_spike_behind_the_end_of_a_point_is_refused():
    with pytest.raises(ValueError, match="span=9 in point_steps=9 - expected span below"):
        YinYang(code="latency", span=9, point_steps=9)
