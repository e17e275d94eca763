"""Rates and intervals of spike trains against a plain loop over steps."""

import itertools
import math
from typing import Any

import numpy as np
import pytest

from metaplast.registry import BadInput
from metaplast.results.spike_statistics import cell_rates, intervals, population_rate

DT = 2e-3


def _by_loop(spikes: np.ndarray, dt: float) -> Any:
    """(all intervals, CV of each cell that has one, silent cells, cells with one or two spikes)."""
    every = []
    variation = []
    silent = 0
    few = 0
    for cell in range(spikes.shape[1]):
        times = []
        for step in range(spikes.shape[0]):
            for _ in range(int(spikes[step, cell])):
                times.append(step * dt)
        between = []
        for earlier, later in itertools.pairwise(times):
            between.append(later - earlier)
        every += between
        if len(times) == 0:
            silent += 1
        elif len(times) < 3:
            few += 1
        else:
            mean = sum(between) / len(between)
            square = sum((value - mean) ** 2 for value in between) / len(between)
            variation.append(math.sqrt(square) / mean)
    return every, variation, silent, few


@pytest.mark.parametrize("rate", [0.0, 0.01, 0.2])
def test_intervals_and_their_variation_are_those_of_a_loop(rate: float) -> None:
    spikes = np.random.default_rng(3).poisson(rate, size=(150, 12))
    found = intervals(spikes, DT)
    every, variation, silent, few = _by_loop(spikes, DT)
    np.testing.assert_allclose(found.all, every, atol=1e-12)
    np.testing.assert_allclose(found.cv, variation, atol=1e-9)
    assert (found.n_silent, found.n_few, found.n_broken) == (silent, few, 0)
    assert found.n_silent + found.n_few + len(found.cv) == found.n_cells == 12


def test_a_cell_with_two_spikes_has_an_interval_and_no_cv() -> None:
    spikes = np.zeros((20, 4))
    spikes[[3, 8], 0] = 1.0
    spikes[5, 1] = 1.0
    spikes[[2, 6, 14], 2] = 1.0
    found = intervals(spikes, DT)
    np.testing.assert_allclose(found.all, DT * np.array([5, 4, 8]))
    np.testing.assert_allclose(found.cv, [2.0 / 6.0])
    assert (found.n_silent, found.n_few) == (1, 2)


def test_a_cell_that_is_not_finite_is_left_out_and_counted() -> None:
    spikes = np.ones((6, 3))
    spikes[4, 1] = np.nan
    found = intervals(spikes, DT)
    assert (found.n_broken, found.n_cells, len(found.cv)) == (1, 3, 2)
    np.testing.assert_allclose(found.cv, 0.0, atol=1e-12)
    assert np.isnan(cell_rates(spikes, DT)).tolist() == [False, True, False]


def test_rates_are_those_of_a_loop() -> None:
    spikes = np.random.default_rng(4).poisson(0.1, size=(23, 5))
    found = population_rate(spikes, DT, 5 * DT)
    np.testing.assert_allclose(found.edges, DT * np.array([0, 5, 10, 15, 20, 23]))
    for index in range(5):
        first, last = 5 * index, min(5 * index + 5, 23)
        total = 0
        for step in range(first, last):
            for cell in range(5):
                total += spikes[step, cell]
        assert found.rate[index] == pytest.approx(total / (5 * (last - first) * DT))
    for cell, rate in enumerate(cell_rates(spikes, DT)):
        assert rate == pytest.approx(sum(spikes[:, cell]) / (23 * DT))


@pytest.mark.parametrize("shape", [(5,), (0, 3), (2, 3, 4)])
def test_spikes_have_steps_and_cells(shape: tuple[int, ...]) -> None:
    with pytest.raises(BadInput, match=r"\[n_steps, n_cells\]"):
        intervals(np.zeros(shape), DT)
