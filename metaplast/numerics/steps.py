"""Times as whole steps."""

import math


def whole_steps(seconds: float, dt: float) -> int:
    """The steps of length `dt` in `seconds`, rounded half up: 2.5 to 3 and 3.5 to 4.

    Python's round() would give 2 and 4. The ratio counts to six decimals: otherwise 4.5e-3 / 1e-3
    might be less than 4.5.
    """
    return math.floor(round(seconds / dt, 6) + 0.5)
