"""Exact steps of linear systems of exponentials."""

import math


def passed_on(dt: float, tau_from: float, tau_to: float) -> float:
    """What y gains over `dt` seconds per unit of x at the start of the step:

        tau_to y' = -y + x;   tau_from x' = -x;   gain = tau_from (exp(-dt / tau_from) - exp(-dt /
            tau_to))
                                                         / (tau_from - tau_to)

    The same number for equal time constants, (dt / tau) exp(-dt / tau), and stable near them.
    Source: Rotter & Diesmann 1999.
    """
    left, to = dt / tau_from, dt / tau_to
    apart = abs(left - to)
    return to * math.exp(-min(left, to)) * (-math.expm1(-apart) / apart if apart else 1.0)
