"""Event-driven integrate-and-fire in plain NumPy: crossings by scan and bisection; its adjoint."""

from typing import NamedTuple

import numpy as np

N_SCANNED = 400
"""Moments of an interval at which every potential is looked at for a crossing."""


class Spike(NamedTuple):
    """One event. source: the input, or n_inputs + the neuron. slope: tau_m dV/dt before it."""

    time: float
    source: int
    slope: float


def after(tau_m: float, tau_s: float, v: np.ndarray, i: np.ndarray, s: float) -> tuple:
    """(V, I) after s seconds, for time constants that differ."""
    slow, fast = np.exp(-s / tau_m), np.exp(-s / tau_s)
    return slow * v + tau_s / (tau_m - tau_s) * (slow - fast) * i, fast * i


def run(
    w: np.ndarray,
    times: np.ndarray,
    sources: np.ndarray,
    tau_m: float,
    tau_s: float,
    threshold: float,
    duration: float,
) -> list[Spike]:
    """All events up to `duration`. w [n_inputs + n, n]: row s leaves source s."""
    n_sources, n = w.shape
    waiting = sorted(zip(times, sources, strict=True))
    v, i, now = np.zeros(n), np.zeros(n), 0.0
    events = []
    while True:
        end = min(waiting[0][0] if waiting else np.inf, duration)
        crossing = _first_crossing(tau_m, tau_s, threshold, v, i, end - now)
        if crossing is None:
            v, i = after(tau_m, tau_s, v, i, end - now)
            now = end
            if not waiting or end == duration:
                return events
            _, source = waiting.pop(0)
            events.append(Spike(now, int(source), 1.0))
        else:
            s, neuron = crossing
            v, i = after(tau_m, tau_s, v, i, s)
            now += s
            source = n_sources - n + neuron
            events.append(Spike(now, source, i[neuron] - threshold))
            v[neuron] = 0.0
        i = i + w[int(source)]


def _first_crossing(tau_m, tau_s, threshold, v, i, allowed):
    """(seconds, neuron) of the first upward crossing within `allowed`, or None."""
    best = None
    grid = np.linspace(0.0, allowed, N_SCANNED)
    for neuron in range(len(v)):
        level = lambda s, j=neuron: after(tau_m, tau_s, v[j], i[j], s)[0] - threshold
        above = np.flatnonzero([level(s) >= 0 for s in grid])
        if not len(above) or above[0] == 0:
            continue
        low, high = grid[above[0] - 1], grid[above[0]]
        for _ in range(200):
            middle = 0.5 * (low + high)
            if level(middle) >= 0:
                high = middle
            else:
                low = middle
        if best is None or high < best[0]:
            best = (high, neuron)
    return best


def gradient(
    w: np.ndarray,
    events: list[Spike],
    direct: np.ndarray,
    tau_m: float,
    tau_s: float,
    threshold: float,
    duration: float,
    stepped: bool = False,
) -> np.ndarray:
    """d loss / d w by the adjoint, from d loss / d time of each event itself.

    stepped: the form of a time-stepped program that was once taken for this one. It returns
    W^T lambda_I in place of W^T (lambda_V - lambda_I), and scales by dV after / before.
    """
    n_sources, n = w.shape
    of_v, of_i = np.zeros(n), np.zeros(n)
    total = np.zeros_like(w)
    later = duration
    for event, own in zip(reversed(events), reversed(direct), strict=True):
        s = later - event.time
        slow, fast = np.exp(-s / tau_m), np.exp(-s / tau_s)
        of_i = fast * of_i + tau_m / (tau_m - tau_s) * (slow - fast) * of_v
        of_v = slow * of_v
        later = event.time
        total[event.source] -= tau_s * of_i
        neuron = event.source - (n_sources - n)
        if neuron >= 0:
            returned = w[event.source] @ (of_i if stepped else of_v - of_i)
            if stepped:
                of_v[neuron] *= (event.slope + threshold) / event.slope
                of_v[neuron] += (returned + own) / event.slope
            else:
                of_v[neuron] += (threshold * of_v[neuron] + returned + own) / event.slope
    return total
