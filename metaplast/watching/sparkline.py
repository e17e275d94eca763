"""A curve in one line of text."""

import math
import statistics
from collections.abc import Sequence

BLOCKS = "▁▂▃▄▅▆▇█"
PLAIN = "_.-=+*#"
"""The heights for a terminal that shows no blocks."""
WIDE = 10.0
"""The ratio of the largest to the smallest value from which on the heights are logarithms."""


def sparkline(values: Sequence[float], width: int, heights: str = BLOCKS) -> str:
    """The curve of some values, from the first to the last, from their smallest to their largest.

    A place stands for the median of its values, and is empty where none of them is finite. Values
    above 0 that span more than a factor of WIDE are drawn by their logarithms.

    Args:
        values: the values.
        width: characters at most.
        heights: the characters, from the lowest on.
    """
    n = min(width, len(values))
    places = []
    for place in range(n):
        part = values[place * len(values) // n : (place + 1) * len(values) // n]
        finite = [value for value in part if math.isfinite(value)]
        places.append(statistics.median(finite) if finite else math.nan)
    known = [value for value in places if math.isfinite(value)]
    if not known:
        return " " * n
    if min(known) > 0.0 and max(known) > WIDE * min(known):
        places = [math.log(value) for value in places]
        known = [math.log(value) for value in known]
    low = min(known)
    span = max(known) - low
    line = ""
    for value in places:
        if not math.isfinite(value):
            line += " "
            continue
        share = (value - low) / span if span else 0.0
        line += heights[min(int(share * len(heights)), len(heights) - 1)]
    return line
