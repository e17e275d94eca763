"""The statistics of plateaus, on curves whose jumps and stretches are known."""

import numpy as np
import pytest

from metaplast.figures.plateaus import part
from metaplast.inspection.plateaus import plateaus

N = 400


def test_one_jump_is_the_whole_gain_and_the_longer_side_of_it_the_plateau():
    losses = [1.0] * 100 + [0.25] * 300
    searched = plateaus(losses)
    assert searched.gain == 0.75
    assert searched.n_top == 4
    assert searched.top_share == 1.0
    assert (searched.start, searched.longest) == (100, 300)


def test_a_steady_fall_has_its_share_and_no_plateau():
    losses = np.linspace(1.0, 0.0, N)
    searched = plateaus(losses)
    # The windows are cut at both ends, so that the ends of the smoothed line are flatter.
    assert searched.top_share == pytest.approx(4 / (N - 1), rel=0.1)
    assert searched.longest <= 0.04 * N


def test_jumps_of_known_size_are_counted_among_the_best_steps():
    """Eight equal jumps of 0.1 on a slope of 0.2 in all: four of them are the best 1 %."""
    losses = 1.0 - 0.2 * np.arange(N) / N
    for k in range(8):
        losses[45 * (k + 1) :] -= 0.1
    searched = plateaus(losses)
    assert searched.top_share == pytest.approx(4 * 0.1 / 1.0, abs=0.02)


def test_noise_around_a_constant_hides_neither_a_jump_nor_a_plateau():
    drawn = np.random.default_rng(0).normal(size=N)
    losses = np.where(np.arange(N) < 250, 1.0, 0.0) + 0.02 * drawn
    searched = plateaus(losses)
    assert searched.gain == pytest.approx(1.0, abs=0.05)
    assert searched.top_share > 0.9
    assert abs(searched.longest - 250) < 25


def test_a_rise_of_the_loss_and_steps_that_are_not_finite_win_nothing():
    losses = [np.nan, np.inf, 1.0, 2.0, np.nan, 0.5, 3.0]
    searched = plateaus(losses)
    assert searched.record.tolist() == [1.0, 1.0, 1.0, 1.0, 1.0, 0.5, 0.5]
    assert plateaus([np.nan, np.nan]).gain == 0.0
    assert np.isnan(plateaus([1.0, 1.0]).top_share)


def test_drift_is_the_way_of_theta_in_steps_that_win_nothing():
    """theta walks 3 while nothing is won, then 1 with the jump, then back by 2 and on by 2."""
    losses = [1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0]
    thetas = [[0.0], [1.0], [2.0], [3.0], [4.0], [2.0], [4.0]]
    searched = plateaus(losses, thetas)
    assert searched.drift == pytest.approx(7 / 8)
    assert (searched.start, searched.longest) == (0, 4)
    assert searched.plateau_drift == pytest.approx(3 / 4)
    assert np.isnan(plateaus(losses).drift)
    assert np.isnan(plateaus(losses, [[1.0]] * 7).drift)


def test_a_page_says_the_numbers_of_every_seed(tmp_path):
    jump = plateaus([1.0] * 100 + [0.25] * 300)
    line = plateaus(np.linspace(1.0, 0.0, N))
    made = part({3: jump, 4: line}, tmp_path)
    assert made.section.tables[0].rows[0][:4] == ("3", "0.75", "1 (4 of 400)", "300 (from 101)")
    assert made.section.tables[0].rows[0][4] == "none"
    assert set(made.numbers) == {"3", "4"}
    assert made.section.figures[0].path.is_file()
