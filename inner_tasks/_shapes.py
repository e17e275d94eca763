"""What to do with an array of the wrong shape, in words for the one who made it."""

import numpy as np

from metaplast.registry import BadInput

Shape = tuple[int | None, ...]
ROWS = "give one row per row of 'stimulus'"


def fix_of_shape(name: str, given: Shape, expected: Shape) -> str:
    """expected: None is any length but 0."""
    axes = (len(given), len(expected))
    if axes == (1, 2) and given[0]:
        return f"one column is {name}[:, None]"
    if axes == (2, 1) and given[-1] == 1:
        return f"take its one column: {name}[:, 0]"
    if axes == (2, 2) and given[-1] == expected[0]:
        return f"turn it round: {name}.T"
    return "give one row per time step" if name == "stimulus" else ROWS


def demand_upright(arrays: dict[str, np.ndarray], stimulus: np.ndarray) -> None:
    """Raises: BadInput for a stimulus that has a column, not a row, per row of the others."""
    n_rows = {
        value.shape[0]
        for name, value in arrays.items()
        if name in ("choice", "session", "trial") and value.ndim
    }
    if n_rows == {stimulus.shape[1]} and stimulus.shape[1] != stimulus.shape[0]:
        given = f"array 'stimulus': shape {list(stimulus.shape)}"
        raise BadInput(
            given, f"[{stimulus.shape[1]}, any], as the others have it", "turn it round: stimulus.T"
        )
