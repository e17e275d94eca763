"""The digits are scikit-learn's own, and no image or class leaks between splits."""

from typing import Any

import numpy as np
from sklearn.datasets import load_digits

from inner_tasks._digit_images import digits


def test_same_data_as_scikit_learn_loads() -> None:
    bunch: Any = load_digits()
    pixels, labels = digits()
    np.testing.assert_array_equal(pixels * 16.0, bunch.data.astype(np.float32))
    np.testing.assert_array_equal(labels, bunch.target)
