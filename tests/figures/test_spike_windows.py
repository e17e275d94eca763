"""The curve of a window has a gap where both spikes come at once."""

import numpy as np

from metaplast.figures.spike_windows import broken


def test_a_window_is_broken_at_lag_0() -> None:
    lags = np.array([-2.0, -1.0, 0.0, 1.0, 2.0])
    change = np.array([-1.0, -2.0, 5.0, 2.0, 1.0])
    shown_lags, shown = broken(lags, change)
    assert np.array_equal(shown_lags, [-2.0, -1.0, np.nan, 1.0, 2.0], equal_nan=True)
    assert np.array_equal(shown, [-1.0, -2.0, np.nan, 2.0, 1.0], equal_nan=True)
