"""Digits as spikes: what is shown, and when the network is told."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from inner_tasks import _few_shot
from inner_tasks.digits import Digits
from metaplast.registry import find
from metaplast.signals import neuron_view

DT = 1e-3
DIGITS = Digits(shots=1, queries=1, gain=0.5, background=0.3)


def _family(**settings: Any) -> Any:
    return find("task", "spike_classification")(digits=DIGITS, **settings)


def _shown(family: Any, task: Any, n_images: int) -> np.ndarray:
    """The stimuli of the first images [n_images, image_steps, 64]."""
    steps = jnp.arange(n_images * family.image_steps)

    def one(t: Any) -> Any:
        return family.stimulus(task, t, jax.random.fold_in(jax.random.key(7), t), DT)["input"]

    return np.asarray(jax.vmap(one)(steps)).reshape(n_images, family.image_steps, -1)


def test_brightness_is_that_of_the_varied_images():
    images = jnp.linspace(0.0, 1.0, 64)
    inputs = DIGITS._variation.applied(jnp.zeros(6), images)
    bright = images + 0.3 * 0.5  # no warp and no gain; half of the background
    expected = jnp.clip(bright, 0.0, 1.0)
    np.testing.assert_allclose(DIGITS.brightness(inputs), expected, atol=1e-5)


def test_a_latency_is_one_spike_the_earlier_the_brighter():
    family = _family(image_steps=11, dimmest=0.5)
    task = _few_shot.Stream(
        inputs=jnp.asarray([[0.0, 0.5, 0.52, 0.75, 1.0, 0.95]]), labels=jnp.zeros(1, jnp.int32)
    )
    spikes = _shown(family, task, 1)[0]
    assert spikes.sum(axis=0).tolist() == [0, 0, 1, 1, 1, 1]
    assert spikes.argmax(axis=0)[2:].tolist() == [10, 5, 0, 1]


def test_a_poisson_code_has_its_rate():
    family = _family(code="poisson", image_steps=4000, rate=100.0)
    task = _few_shot.Stream(inputs=jnp.asarray([[0.1, 0.3, 1.0]]), labels=jnp.zeros(1, jnp.int32))
    share = _shown(family, task, 1)[0].mean(axis=0)
    p = 1.0 - np.exp(-100.0 * DT * np.asarray([0.0, 0.3, 1.0]))  # 0.1 is below `dimmest`
    assert share[0] == 0.0
    np.testing.assert_array_less(np.abs(share - p)[1:], 4 * np.sqrt(p * (1 - p) / 4000)[1:])


@pytest.mark.parametrize("split", ["train", "heldout"])
def test_lives_are_those_of_digits(split: Any):
    key = jax.random.key(3)
    coded = _family().sample(key, split)
    plain = DIGITS.sample(key, split)
    np.testing.assert_array_equal(coded.labels, plain.labels)
    np.testing.assert_array_equal(coded.inputs, DIGITS.brightness(plain.inputs))


def test_the_network_is_told_in_the_last_step_of_an_image_as_in_digits():
    family = _family(image_steps=3)
    task = family.sample(jax.random.key(0), "train")
    logits = jnp.asarray([0.3, -1.0, 2.0, 0.0])
    view = neuron_view(logits, logits, jnp.ones(4))
    n = family.shape().n_steps

    def one(t: Any) -> Any:
        return family.step(task, t, view, jax.random.key(0), DT)[1]

    out = jax.vmap(one)(jnp.arange(n, dtype=jnp.int32))
    plain = jax.vmap(lambda t: _few_shot.answer(task, t, view)[1])(jnp.arange(n // 3))
    end = np.arange(n) % 3 == 2
    for name in ("gate", "reset"):
        np.testing.assert_array_equal(getattr(out.feedback, name), end)
    np.testing.assert_array_equal(out.score.weight, end)
    np.testing.assert_array_equal(out.feedback.error[end], plain.feedback.error)
    np.testing.assert_array_equal(out.score.loss[end], plain.score.loss)
    np.testing.assert_array_equal(
        out.score.metrics["accuracy"][end], plain.score.metrics["accuracy"]
    )
    assert not np.any(out.feedback.error[~end])
    assert not np.any(out.score.loss[~end])
    assert family.shape().phases == ((12, True), (12, False))


def test_another_task_than_digits_is_refused():
    with pytest.raises(ValueError, match="expected task digits"):
        find("task", "spike_classification")(digits="prototypes")
