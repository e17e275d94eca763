"""The digits of `recognition` keep their names, but for those that swap them."""

import jax
import numpy as np
import pytest

from inner_tasks.recognition import Recognition

N_LIVES = 200


def names_of(unstable: int) -> np.ndarray:
    """The output of every digit in every life [N_LIVES, 10].

    Lives of one key show the same images, and without unstable digits a label is the digit.
    """
    keys = jax.random.split(jax.random.key(0), N_LIVES)
    lives = []
    for n_unstable in (0, unstable):
        family = Recognition(shown=100, queries=100, unstable=n_unstable)
        lives.append(jax.vmap(lambda key, family=family: family.sample(key, "heldout"))(keys))
    plain, moved = lives
    np.testing.assert_array_equal(plain.inputs, moved.inputs)
    names = np.full((N_LIVES, 10), -1)
    for life, (digits, labels) in enumerate(zip(plain.labels, moved.labels, strict=True)):
        names[life, digits] = labels
        np.testing.assert_array_equal(names[life, digits], labels)  # one name in all of a life
    return names


def test_so_many_digits_swap_their_names_and_no_others():
    names = names_of(4)
    np.testing.assert_array_equal(names[:, :6], np.tile(np.arange(6), (N_LIVES, 1)))
    np.testing.assert_array_equal(
        np.sort(names[:, 6:], axis=1), np.tile(np.arange(6, 10), (N_LIVES, 1))
    )
    for digit in range(6, 10):
        for name in range(6, 10):
            share = np.mean(names[:, digit] == name)
            assert share == pytest.approx(0.25, abs=4 * np.sqrt(0.25 * 0.75 / N_LIVES))


def test_one_digit_has_no_name_to_swap_with():
    for unstable in (1, 11):
        with pytest.raises(ValueError, match="0 or 2 to 10"):
            Recognition(unstable=unstable)
