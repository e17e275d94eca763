"""The judgement of predicted last weights: squared distances and R2, by hand."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from metaplast.fitting.judgement import judge_weights

MEASURED = np.asarray(
    [[[1.0, 2.0], [np.nan, 4.0]], [[3.0, np.nan], [np.nan, 0.0]]]
)  # two sessions of 2 x 2 synapses
PREDICTED = np.asarray([[[1.5, 2.0], [9.0, 1.0]], [[3.0, 9.0], [9.0, -2.0]]])


def _judged(measured: np.ndarray, predicted: np.ndarray) -> Any:
    sessions: Any = SimpleNamespace(subject=np.arange(len(measured)), final={"a_to_b": measured})
    return judge_weights(sessions, {"a_to_b": predicted})


def test_distances_are_squared_and_counted_where_a_weight_was_measured():
    judgement = _judged(MEASURED, PREDICTED)
    np.testing.assert_allclose(judgement.deviance, [0.5**2 + 3.0**2, 2.0**2])
    assert judgement.r2 == pytest.approx(
        1.0 - (9.25 + 4.0) / (5 * np.var([1.0, 2.0, 4.0, 3.0, 0.0]))
    )


@pytest.mark.parametrize(
    "measured", [np.full((1, 2, 2), 3.0), np.full((1, 2, 2), np.nan)], ids=["alike", "none"]
)
def test_without_any_spread_there_is_no_r2(measured):
    assert np.isnan(_judged(measured, PREDICTED[:1]).r2)
