"""The digits are scikit-learn's own, and no image or class leaks between splits."""

from typing import Any

import jax
import numpy as np
from sklearn.datasets import load_digits

from inner_tasks._digit_images import digits
from inner_tasks.digits import Digits
from metaplast.testing.base import quick_jit


def test_same_data_as_scikit_learn_loads() -> None:
    bunch: Any = load_digits()
    pixels, labels = digits()
    np.testing.assert_array_equal(pixels * 16.0, bunch.data.astype(np.float32))
    np.testing.assert_array_equal(labels, bunch.target)


def test_passes_show_the_images_of_a_block_again_before_the_next_block():
    family = Digits(n_classes=4, shots=3, queries=2, blocks=2, passes=2)
    assert family.shape().phases == ((24, True), (8, False))
    life: Any = quick_jit(lambda key: family.sample(key, "train"))(jax.random.key(0))
    inputs = np.asarray(life.inputs)
    for block in (inputs[:12], inputs[12:24]):
        first = np.sort(block[:6], axis=0)
        np.testing.assert_array_equal(first, np.sort(block[6:], axis=0))
    labels = np.asarray(life.labels)
    assert set(labels[:12]) == {0, 1} and set(labels[12:24]) == {2, 3}
    fresh = Digits(n_classes=4, shots=3, queries=2, blocks=2, passes=2, rewarp=0.3)
    other: Any = quick_jit(lambda key: fresh.sample(key, "train"))(jax.random.key(0))
    changed = (np.asarray(other.inputs) != inputs).any(axis=1)
    assert list(changed) == [*[False] * 6, *[True] * 6, *[False] * 6, *[True] * 6, *[False] * 8]
