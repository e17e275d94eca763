"""Where an axis is cut, so that a value far away does not hide the intervals of the others."""

import numpy as np

FAR = 4.0
"""A size of more than so many medians lies outside the picture; an arrow points to it."""
HIDDEN = 50.0
"""A size of less than the reach over this cannot be seen. Then the axis is about the smallest."""


def reach(sizes: np.ndarray) -> float:
    """How far an axis reaches: beyond the largest of the sizes that are not far; at least above 0.

    Args:
        sizes: distances from the line that the picture is about [n], 0 or more; NaN: unknown.
    """
    known = sizes[np.isfinite(sizes) & (sizes > 0.0)]
    if not known.size:
        return 1.0
    usual = np.percentile(known, 50, method="lower")
    smallest = known.min()
    if smallest < known[known <= FAR * usual].max() / HIDDEN:
        usual = smallest
    return 1.1 * float(known[known <= FAR * usual].max())
