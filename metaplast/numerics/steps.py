"""Times as whole steps."""

import math


def whole_steps(seconds: float, dt: float) -> int:
    """seconds / dt, rounded half up: 2.5 to 3 and 3.5 to 4, as no one expects of round().

    The ratio counts to six decimals, lest 4.5 e-3 / 1 e-3 be less than 4.5.
    """
    return math.floor(round(seconds / dt, 6) + 0.5)
