"""A second opinion on the terms of a distilled rule, by another package (extra `inspect`)."""

from collections.abc import Sequence
from importlib import import_module
from typing import Any

import numpy as np

from metaplast.registry import BadInput


def by_pysindy(
    terms: Sequence[str],
    columns: Sequence[np.ndarray],
    change: np.ndarray,
    threshold: float = 0.05,
) -> dict[str, float]:
    """{term: coefficient} of sequential thresholded least squares as PySINDy has it.

    Columns have unit root mean square before it, and so has the change. There is no information
    criterion: the threshold decides.

    Args:
        terms: of the library.
        columns: the values of every term [n].
        change: [n].
        threshold: the least coefficient, between columns and change of unit size.

    Raises: BadInput where the package is not installed.
    Source: Kaptanoglu et al. 2022.
    """
    try:
        optimizers: Any = import_module("pysindy.optimizers")
    except ModuleNotFoundError:
        raise BadInput("pysindy: not installed", "the extra `inspect`", "install it") from None
    matrix = np.stack(columns, axis=1)
    sizes = np.sqrt(np.mean(matrix**2, axis=0))
    sizes[sizes == 0] = 1.0
    size = float(np.sqrt(np.mean(change**2))) or 1.0
    fit = optimizers.STLSQ(threshold=threshold, alpha=0.0)
    fit.fit(matrix / sizes, (change / size)[:, None])
    found = {}
    for term, value, scale in zip(terms, np.ravel(fit.coef_), sizes, strict=True):
        if value:
            found[term] = float(value * size / scale)
    return found
