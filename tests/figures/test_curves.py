"""Figures of curves and shares: few points, whole phases, an axis with its zero."""

from pathlib import Path

import numpy as np

from metaplast.figures import explained, learning_curves
from metaplast.figures.style import kept
from metaplast.results.curves import Band
from metaplast.results.numbers import Bounds, RoundedEstimate


def test_a_long_life_has_few_points_and_both_ends_of_every_phase() -> None:
    phases = ((3001, True), (7, False), (992, True))
    n_steps = 4000
    values = np.sin(np.arange(n_steps) / 100.0)
    bands = {"rule": Band(values, values - 0.1, values + 0.1)}
    with kept() as figures:
        learning_curves.draw(bands, phases, "loss", Path("curves.svg"), ["rule"])
    (axes,) = figures["curves"].axes
    steps, drawn = np.asarray(axes.lines[0].get_xydata()).T
    assert len(steps) <= learning_curves.MOST + 2 * len(phases)
    assert {1, 3001, 3002, 3008, 3009, 4000} <= set(steps.astype(int))
    np.testing.assert_array_equal(drawn, values[steps.astype(int) - 1])
    assert np.diff(steps).max() <= n_steps / learning_curves.MOST + 2


def test_a_short_life_has_every_point() -> None:
    values = np.linspace(1.0, 0.0, 30)
    bands = {"rule": Band(values, values, values)}
    with kept() as figures:
        learning_curves.draw(bands, ((30, True),), "loss", Path("curves.svg"), ["rule"])
    (axes,) = figures["curves"].axes
    np.testing.assert_array_equal(axes.lines[0].get_ydata(), values)


def test_shares_that_are_all_cut_leave_an_axis_with_its_zero() -> None:
    share = RoundedEstimate(-3.0, Bounds(-4.0, -2.0), 5)
    rows = {"discovered": {"mean": share}, "hebb": {"mean": share}}
    with kept() as figures:
        explained.draw(rows, Path("explained.svg"), "discovered", "subjects")
    (axes,) = figures["explained"].axes
    left, right = axes.get_xlim()
    assert left == explained.LEAST
    assert right >= -explained.LEAST
