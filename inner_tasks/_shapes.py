"""Advice on an array of the wrong shape, for the person who made it."""

import numpy as np

from metaplast.registry import BadInput

Shape = tuple[int | None, ...]
ROWS = "give one row per row of 'stimulus'"


def fix_of_shape(name: str, actual: Shape, expected: Shape) -> str:
    """The words that mend a shape.

    Args:
        name: of the array.
        actual: its shape.
        expected: the shape that is meant; None is any length but 0.
    """
    axes = (len(actual), len(expected))
    if axes == (1, 2) and actual[0]:
        return f"one column is {name}[:, None]"
    if axes == (2, 1) and actual[-1] == 1:
        return f"take its one column: {name}[:, 0]"
    if axes == (2, 2) and actual[-1] == expected[0]:
        return f"turn it round: {name}.T"
    return "give one row per time step" if name == "stimulus" else ROWS


def demand_upright(arrays: dict[str, np.ndarray], stimulus: np.ndarray) -> None:
    """Raises: BadInput for a stimulus that has a column, not a row, per row of the others."""
    n_rows = set()
    for name in ("choice", "session", "trial"):
        if name in arrays and arrays[name].ndim:
            n_rows.add(arrays[name].shape[0])
    n_first, n_second = stimulus.shape
    if n_rows == {n_second} and n_first != n_second:
        what = f"array 'stimulus': shape {list(stimulus.shape)}"
        expected = f"[{n_second}, any], as the others have it"
        raise BadInput(what, expected, "turn it round: stimulus.T")
