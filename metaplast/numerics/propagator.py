"""Exact steps of linear systems of exponentials."""

import math


def passed_on(dt: float, tau_from: float, tau_to: float) -> float:
    """The gain of y over `dt` seconds per unit of x at the start of the step.

        tau_to y' = -y + x
        tau_from x' = -x
        gain = tau_from (exp(-dt / tau_from) - exp(-dt / tau_to)) / (tau_from - tau_to)

    For equal time constants it is (dt / tau) exp(-dt / tau). It is stable near them.

    Args:
        dt: seconds.
        tau_from: time constant of x, in seconds.
        tau_to: time constant of y, in seconds.

    Source: Rotter & Diesmann 1999.
    """
    from_rate = dt / tau_from
    to_rate = dt / tau_to
    difference = abs(from_rate - to_rate)
    factor = -math.expm1(-difference) / difference if difference else 1.0
    return to_rate * math.exp(-min(from_rate, to_rate)) * factor
