"""The candidate that a search chooses."""

import numpy as np
import pytest

from metaplast.training.train_row import best_of


def _lives(loss, accuracy=None):
    scores = {"loss": np.asarray(loss, float)}
    return scores if accuracy is None else {**scores, "accuracy": np.asarray(accuracy, float)}


START = _lives([1.0, 1.2, 1.4, 0.8], [0.6, 0.5, 0.6, 0.7])


def test_the_lowest_mean_loss_is_chosen():
    better, best = _lives([0.9, 0.9, 0.9, 0.9], [0.7] * 4), _lives([0.5, 0.6, 1.0, 0.4], [0.8] * 4)
    assert best_of([START, better, best]) == 2
    assert best_of([START, best, better]) == 1


def test_one_life_that_explodes_does_not_outweigh_the_others():
    """On seed 0 of `digits`, losses of thousands sent a trained row back to its start."""
    start = _lives([1.0] * 39 + [1.4], [0.6] * 40)
    exploded = _lives([0.2] * 39 + [5903.0], [0.9] * 39 + [0.2])
    assert exploded["loss"].mean() > start["loss"].mean()
    assert best_of([start, exploded]) == 1


@pytest.mark.parametrize("accuracy", [True, False])
def test_many_lives_that_are_worse_than_any_at_the_start_count_in_full(accuracy):
    start = _lives([1.0] * 40, [0.5] * 40 if accuracy else None)
    sometimes = _lives([0.0] * 30 + [3.9] * 10, [1.0] * 30 + [0.1] * 10 if accuracy else None)
    always = _lives([0.3] * 40, [0.9] * 40 if accuracy else None)
    assert best_of([start, sometimes, always]) == 2


def test_a_tenth_of_lives_that_explode_does_not_send_a_row_back_to_its_start():
    """On seed 2 of `readout`, the row `ageing` had .82 at its end and was left at .54."""
    start = _lives([1.1] * 39 + [1.46], [0.54] * 40)
    half_way = _lives([0.5] * 32 + [30.0] * 8, [0.9] * 32 + [0.2] * 8)
    end = _lives([0.4] * 36 + [12.0] * 4, [0.88] * 36 + [0.3] * 4)
    assert half_way["loss"].mean() > end["loss"].mean() > start["loss"].mean()
    assert best_of([start, half_way, end]) == 2
    assert best_of([start, end, half_way]) == 1


def test_no_candidate_below_its_start_is_chosen():
    below = _lives([0.2, 0.2, 0.2, 0.2], [0.5, 0.5, 0.5, 0.5])
    assert best_of([START, below]) == 0
    mean_loss_alone = [_lives([1.0, 1.2]), _lives([0.1, 9.0])]
    assert best_of(mean_loss_alone) == 0


@pytest.mark.parametrize("broken", [np.nan, np.inf])
def test_a_candidate_with_a_life_that_is_not_finite_is_not_chosen(broken):
    assert best_of([START, _lives([0.1, 0.1, broken, 0.1], [0.9] * 4)]) == 0
    start = _lives([broken, 1.0, 1.0, 1.0], [0.5] * 4)
    assert best_of([start, _lives([0.5, 0.5, 0.5, 2.0], [0.9] * 4)]) == 1
