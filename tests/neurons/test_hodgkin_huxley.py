"""The squid axon: order in the part of a step, f-I curve and spike against a fine integration."""

import math
from functools import cache
from typing import Any

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from metaplast.neurons.hodgkin_huxley import HodgkinHuxley
from tests.neurons._constant import constant, population

T_MS = 250.0
SETTLED_MS = 100.0
CURRENTS = (6.2, 6.3, 10.0, 40.0)


def _gates(u: float) -> list[tuple[float, float]]:
    """(alpha, beta) of m, h, n in 1 / ms at u mV above rest, as the paper prints them."""
    return [
        (0.1 * (25 - u) / math.expm1((25 - u) / 10), 4 * math.exp(-u / 18)),
        (0.07 * math.exp(-u / 20), 1 / (math.exp((30 - u) / 10) + 1)),
        (0.01 * (10 - u) / math.expm1((10 - u) / 10), 0.125 * math.exp(-u / 80)),
    ]


def _flow(current: float, y: Any) -> list[float]:
    u, m, h, n = y
    outward = 120 * m**3 * h * (u - 115) + 36 * n**4 * (u + 12) + 0.3 * (u - 10.613)
    flow = [current - outward]
    for x, (a, b) in zip((m, h, n), _gates(u), strict=True):
        flow.append(a * (1 - x) - b * x)
    return flow


@cache
def _solved(current: float, t_ms: float = T_MS) -> Any:
    """The equations to 1e-8 from rest, with the times at which u rises through 45 (-20 mV)."""
    rises = lambda t, y: y[0] - 45.0
    rises.direction = 1.0  # pyright: ignore[reportFunctionMemberAccess]
    rest = [0.0, *(a / (a + b) for a, b in _gates(1e-9))]
    return solve_ivp(
        lambda t, y: _flow(current, y),
        (0.0, t_ms),
        rest,
        "LSODA",
        events=rises,
        rtol=1e-8,
        atol=1e-8,
        dense_output=True,
    )


def _rate(times_ms: np.ndarray) -> float:
    """Hertz of the spikes after the start; 0 for fewer than three."""
    late = times_ms[times_ms > SETTLED_MS]
    return 1e3 * (len(late) - 1) / (late[-1] - late[0]) if len(late) > 2 else 0.0


def _rates(part: float, dt: float) -> np.ndarray:
    cell = HodgkinHuxley(part=part)
    view = population(cell, round(1e-3 * T_MS / dt), dt, soma=np.array(CURRENTS))
    return np.array([_rate(1e3 * dt * np.flatnonzero(z)) for z in view.activity.T])


def test_the_f_i_curve_is_that_of_a_fine_integration():
    """It sets in between 6.2 and 6.3 uA / cm^2, and at once with more than 50 Hz."""
    exact = np.array([_rate(_solved(current).t_events[0]) for current in CURRENTS])
    assert exact[0] == 0.0 and 50.0 < exact[1] < 55.0
    ours = _rates(12.5e-6, 1e-3)
    assert ours[0] == 0.0
    np.testing.assert_allclose(ours[1:], exact[1:], rtol=0.02)
    coarse = _rates(50e-6, 1e-3)
    np.testing.assert_allclose(coarse[2:], exact[2:], rtol=0.04)
    off = np.abs(exact - coarse)[2:]
    assert np.all(np.abs(exact - ours)[2:] < 0.5 * off)


def test_a_spike_is_that_of_a_fine_integration():
    """10 uA / cm^2 for 12 ms: the whole trace, one spike of 105 mV and its undershoot."""
    solved = _solved(10.0)
    h = 2.5e-6
    view = population(HodgkinHuxley(), round(12e-3 / h), h, soma=np.array([10.0]))
    times = 1e3 * h * (1 + np.arange(len(view.potential)))
    exact = solved.sol(times)[0] - 65.0
    assert exact.max() == pytest.approx(40.0, abs=0.5)
    assert exact.min() == pytest.approx(-75.0, abs=0.5)
    (when,) = times[view.activity[:, 0] > 0]
    assert when == pytest.approx(solved.t_events[0][0], abs=0.01)
    steepest = np.abs(np.diff(exact)).max() / (1e3 * h)  # mV / ms, at the upstroke
    assert np.abs(view.potential[:, 0] - exact).max() < 0.01 * steepest


def test_the_potential_and_the_time_of_a_spike_are_of_first_order():
    exact = _solved(10.0).sol(1.2)[0] - 65.0
    when = _solved(10.0).t_events[0][0]
    parts = np.array([40e-6, 20e-6, 10e-6])
    off = []
    late = []
    for part in parts:
        n_steps = round(4e-3 / part)
        view = population(HodgkinHuxley(part=1e-3), n_steps, part, soma=np.array([10.0]))
        off.append(abs(view.potential[round(1.2e-3 / part) - 1, 0] - exact))
        first = np.argmax(view.activity[:, 0])
        below, above = view.potential[first - 1, 0], view.potential[first, 0]
        risen = (-20.0 - below) / (above - below)  # V is all but straight within a step
        late.append(abs(1e3 * part * (first + risen) - when))
    assert np.polyfit(np.log(parts), np.log(off), 1)[0] == pytest.approx(1.0, abs=0.1)
    assert np.polyfit(np.log(parts), np.log(late), 1)[0] == pytest.approx(1.0, abs=0.25)


def test_long_steps_are_their_parts():
    long = population(HodgkinHuxley(), 60, 1e-3, soma=np.array([10.0]))
    short = population(HodgkinHuxley(), 1200, 50e-6, soma=np.array([10.0]))
    parts = short.potential[:, 0].reshape(60, 20)
    np.testing.assert_allclose(long.potential[:, 0], parts.max(axis=1), rtol=1e-9)
    spikes = short.activity[:, 0].reshape(60, 20).sum(axis=1)
    assert spikes.sum() == 4.0
    np.testing.assert_array_equal(long.activity[:, 0], spikes)


def test_one_spike_for_each_rise_and_none_while_v_is_high():
    """Twenty steps lie within one spike, whose gain is 0 after its first."""
    spikes, potential, gain = constant(HodgkinHuxley(), 240, 50e-6, soma=10.0)
    high = potential > -20.0
    assert high.sum() > 15 and spikes.sum() == 1.0
    assert spikes[np.argmax(high)] == 1.0
    began_high = np.concatenate([[False], high[:-1]])
    np.testing.assert_array_equal(gain == 0.0, began_high)


def test_without_channels_it_is_a_leaky_membrane():
    """V -> E_L + (I + g_L (...)) / g_L with C / g_L, and no spike."""
    bare = HodgkinHuxley(g_sodium=0.0, g_potassium=0.0)
    spikes, potential, _ = constant(bare, 10, 1e-3, soma=3.0)
    start, end, tau = -65.0, -54.387 + 3.0 / 0.3, 1.0 / 0.3
    wanted = end + (start - end) * np.exp(-np.arange(1, 11) / tau)
    np.testing.assert_allclose(potential, wanted, rtol=1e-5)
    assert spikes.sum() == 0.0


def test_inhibition_keeps_it_silent_and_excitation_makes_it_fire():
    drive = {"soma": np.zeros(2), "excitatory": np.ones(2), "inhibitory": np.array([0.0, 20.0])}
    view = population(HodgkinHuxley(), 100, 1e-3, **drive)
    fired = view.activity.sum(axis=0)
    assert fired[0] > 3 and fired[1] == 0
