"""The cone of directions that make no choice less likely, against angles in the plane."""

import numpy as np
import pytest

from metaplast.fitting.separation import Separation

EYE = np.eye(2)


def separable(rows: np.ndarray) -> bool:
    """Whether some direction of 3,600 has no row against it, and one for it."""
    angles = np.linspace(0, 2 * np.pi, 3600, endpoint=False)
    gains = rows @ np.stack([np.cos(angles), np.sin(angles)])
    return bool(np.any((gains >= -1e-9).all(axis=0)))


@pytest.mark.parametrize("n", [2, 3, 5, 8])
def test_separation_is_that_of_angles_in_the_plane(n: int):
    rng = np.random.default_rng(n)
    every = [rng.normal(size=(n, 2)) for _ in range(20)]
    answers = [separable(rows) for rows in every]
    assert [Separation(rows, np.zeros(n), EYE).exists for rows in every] == answers
    assert n == 2 or len(set(answers)) == 2


def test_only_numbers_along_the_open_cone_are_without_bound():
    rows = np.array([[1.0, 0.0], [-2.0, 0.0], [0.3, 1.0], [-0.3, 1.0], [0.0, 5.0]])
    cone = Separation(rows, np.zeros(5), EYE)
    assert cone.exists and cone.moves(np.array([0.0, 1.0])) and not cone.moves(np.array([1.0, 0.0]))
    rows[0, 1] = -1.0
    rows[1, 1] = -1.0
    assert not Separation(rows, np.zeros(5), EYE).exists


def test_a_row_left_out_of_the_first_program_still_binds():
    rng = np.random.default_rng(0)
    rows = np.abs(rng.normal(size=(3000, 2)))
    assert Separation(rows, np.zeros(3000), EYE).exists
    against = np.concatenate([rows, [[-1.0, -0.01], [-0.01, -1.0]]])
    odds = np.concatenate([np.zeros(3000), np.ones(2)])  # the last to be taken in
    assert not Separation(against, odds, EYE).exists


def test_what_other_values_settle_is_not_open_to_choices():
    rows = np.ones((4, 2)) * [1.0, 0.2]
    assert Separation(rows, np.zeros(4), EYE).exists
    assert not Separation(rows, np.zeros(4), np.zeros((2, 0))).exists
    assert not Separation(np.zeros((0, 2)), np.zeros(0), EYE).exists
