"""The rule of Clopath et al.: its closed form under clamp, and the pairings of its paper."""

import itertools
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from pydantic import ValidationError

from metaplast.connections.dense import Dense
from metaplast.locality.reads import blank_view
from metaplast.rules.clopath import Clopath
from metaplast.testing.base import quick_jit
from tests.rules._drive import drive

DT = 1e-3
REST = -70.6
FREQUENCIES = (0.1, 10.0, 20.0, 40.0, 50.0)  # hertz
# Normalised weights in % at the end of the authors' code (ModelDB 144566, FrequencyDependence.m),
# at lags of +10 and -10 ms.
AUTHORS = {10: (100.0, 102.9, 115.7, 146.3, 165.0), -10: (71.7, 59.6, 60.5, 117.8, 173.6)}


@pytest.mark.parametrize("clamp", [-80.0, -60.0, -40.0, -20.0])
def test_a_clamped_neuron_changes_by_the_closed_form(clamp):
    """Per pre spike - a_ltd [u - theta_minus]_+ + a_ltp [u - theta_plus]_+ [u - theta_minus]_+.

    The sum of the trace at 1 ms is dt/tau_x q/(1 - q), not 1. With the scale of lif it is the same,
    at the potential that stands for u.
    """
    pre = np.zeros((900, 1))
    post = np.zeros((900, 1))
    pre[[300, 340, 700]] = 1
    q = math.exp(-DT / 15e-3)
    minus = max(clamp + 70.6, 0.0)
    plus = max(clamp + 45.3, 0.0)
    exact = 3 * (-14e-5 * minus + 8e-5 * plus * minus * DT / 15e-3 * q / (1 - q))
    for rule in (Clopath(), Clopath(delay=3, u_ref_squared=60.0), Clopath(scale=20.2, offset=REST)):
        shown = {"potential": np.full((900, 1), (clamp - rule.offset) / rule.scale)}
        total = drive(rule, Dense(1, 1), pre, post, dt=DT, signals=shown)[0].sum()
        # from 0 at the start, the mean of the depolarisation scales depression by m^2 / 60
        if rule.u_ref_squared:
            means = minus * -np.expm1(-DT * np.array([300, 340, 700]))
            ltd = 14e-5 * minus
            assert total == pytest.approx(
                exact + 3 * ltd - ltd * np.sum(means**2) / 60.0, rel=2e-4, abs=1e-9
            )
        else:
            assert total == pytest.approx(exact, rel=2e-4, abs=1e-9)


def test_the_low_pass_of_a_straight_line_is_exact_at_long_steps():
    """u = rest + s t has u- = rest + s (t - tau + tau e^(-t / tau)), at any dt.

    Its own low-pass, m, is two of them in a row; u- is no straight line between two steps. A spike
    sees both as they were in the step before.
    """
    dt, tau, n_steps, slope = 2e-3, 10e-3, 20, 400.0
    t = dt * np.arange(1, n_steps + 1)
    pre = np.zeros((n_steps, 1))
    pre[-1] = 1.0
    shown = {"potential": (REST + slope * t)[:, None]}

    def depression(**more: Any) -> float:
        rule = Clopath(a_ltp=0.0, spike_width=0.0, tau_minus=tau, **more)
        silent = np.zeros((n_steps, 1))
        return float(-drive(rule, Dense(1, 1), pre, silent, dt=dt, signals=shown)[0].sum())

    last = t[-2]
    kept = math.exp(-last / tau)
    above = slope * (last - tau + tau * kept)
    plain = depression(between_steps="linear")
    assert plain == pytest.approx(14e-5 * above, rel=1e-5)
    assert depression() > 1.02 * 14e-5 * above
    both = {"u_ref_squared": 1.0, "tau_mean": tau, "mean_of": "u_minus"}
    mean = math.sqrt(depression(between_steps="linear", **both) / plain)
    expected = REST + slope * (last - 2.0 * tau + (2.0 * tau + last) * kept)
    assert abs(mean + expected) < 0.01 * (expected - REST)


def test_a_straight_line_through_a_spike_that_is_held_is_refused():
    with pytest.raises(ValidationError, match="set spike_width=0"):
        Clopath(between_steps="linear")


def test_pairings_of_a_neuron_that_shows_no_upswing():
    """The neuron is at rest, but for spikes that are reset at once.

    At 1 Hz, pre before post changes nothing, and post before pre depresses. Potentiation grows with
    frequency. Without the height and width of a spike, nothing would happen.
    """
    # lag, period in steps
    protocols = (
        (-10, 1000),
        (10, 1000),
        (10, 100),
        (10, 50),
        (10, 25),
        (10, 20),
    )
    n = len(protocols)
    pre = np.zeros((10_300, n))
    post = np.zeros((10_300, n))
    for k, (lag, period) in enumerate(protocols):
        starts = 50 + period * np.arange(10)
        pre[starts, k] = post[starts + lag, k] = 1
    changes = {}
    for name, rule in {
        "whole": Clopath(),
        "ltp": Clopath(a_ltd=0.0),
        "plain": Clopath(spike_width=0.0),
    }.items():
        deltas, _ = drive(
            rule, Dense(n, n), pre, post, dt=DT, signals={"potential": np.full(post.shape, REST)}
        )
        changes[name] = np.diagonal(deltas.sum(axis=0))
    assert np.all(changes["plain"] == 0.0)
    assert changes["whole"][0] < -0.005 and abs(changes["whole"][1]) < 1e-5
    assert np.all(np.diff(changes["ltp"][1:]) > 0) and changes["ltp"][-1] > 0.005


def _authors_trains(lag: int, frequency: float) -> tuple[list[int], list[int]]:
    """Spike steps of pre and post as the authors' program makes them.

    There are 15 groups of 5 pairings (10 groups at 0.1 Hz). A group has one more post spike where
    it comes first.
    """
    period = round(1000 / frequency)
    sides = ([], [])
    length = 5 * period + 11
    group = max(length, 10_000)
    for k in range(10 if frequency == 0.1 else 15):
        sides[0].extend(k * group + t for t in range(10, length - 1, period))
        sides[1].extend(k * group + t for t in range(10 + lag, length, period))
    sides[1][:] = [t for t in sides[1] if t >= 3]  # its loop begins at the fourth sample
    moment = {}
    now = 20
    last = 0
    for t in sorted({*sides[0], *sides[1]}):
        now = now + min(t - last, 1500)
        last = t
        moment[t] = now
    return [moment[t] for t in sides[0]], [moment[t] for t in sides[1]]


def _neuron(state: Any, current: Any) -> Any:
    """One millisecond of the neuron of Clopath et al. 2010, by Euler steps: (state, u).

    It is an adaptive exponential neuron with a spike afterpotential and a moving threshold. Spikes
    are held for two steps.
    """
    u, w, z, v_t, phase = state
    restart = phase == 2
    u = jnp.where(restart, -49.5016, u)
    w = jnp.where(restart, w + 0.0805, w)
    z = jnp.where(restart, 400.0, z)
    v_t = jnp.where(restart, -30.4, v_t)
    upstroke = 60.0 * jnp.exp(jnp.minimum((u - v_t) / 2.0, 50.0))
    moved = u + (-30.0 * (u + 70.6) + upstroke - w + z + current) / 281.0
    held = phase == 1
    w = jnp.where(held, w, w + (4.0 * (u + 70.6) - w) / 144.0)
    fires = ~held & (moved > 20.0)
    u = jnp.where(held, 29.4 + 3.462, jnp.where(fires, 29.4, moved))
    phase = jnp.where(held, 2, jnp.where(fires, 1, 0))
    return (u, w, z * (1 - 1 / 40.0), v_t + (-50.4 - v_t) / 50.0, phase), u


def _euler(tau: float) -> float:
    """The time constant whose exact decay over 1 ms is an Euler step of `tau`."""
    return -DT / math.log(1.0 - DT / tau)


def test_pairings_of_the_authors_neuron_end_where_their_code_ends():
    """Figure 2b of the paper.

    The authors' traces are Euler steps, and their x starts a step later. The constants are matched
    to that.
    """
    protocols = list(itertools.product(AUTHORS, FREQUENCIES))
    trains = [_authors_trains(*protocol) for protocol in protocols]
    n = len(protocols)
    steps = 300 + max(max(a + b) for a, b in trains)
    pre = np.zeros((steps, n))
    post = np.zeros((steps, n))
    for k, (a, b) in enumerate(trains):
        pre[a, k] = 1.0
        post[b, k] = 1.0
    tau_x = _euler(15e-3)
    rule = Clopath(
        a_ltp=8e-5 * tau_x / 15e-3 / (1 - 1 / 15.0),
        tau_x=tau_x,
        tau_minus=_euler(10e-3),
        tau_plus=_euler(7e-3),
        spike_width=0.0,
        delay=3,
    )
    lanes = Dense(n, n)  # of which only synapses k to k are looked at
    with jax.enable_x64(True):
        blank = blank_view(lanes, ())

        def step(carry: Any, now: Any) -> Any:
            neuron, state, w = carry
            neuron, u = _neuron(neuron, 1e6 * now[1])
            sides = {
                "pre": blank.pre.replace(activity=now[0]),
                "post": blank.post.replace(potential=u),
            }
            state, delta = rule.step({}, state, lanes, blank.replace(**sides), DT)
            return (neuron, state, w + delta), None

        rest = jnp.full(n, REST)
        neuron = (rest, jnp.zeros(n), jnp.zeros(n), jnp.full(n, -50.4), jnp.zeros(n, jnp.int64))
        first = (neuron, rule.init_state({}, lanes), jnp.full((n, n), 0.5))
        w = quick_jit(lambda c, x: jax.lax.scan(step, c, x)[0][2])(
            first, (jnp.asarray(pre), jnp.asarray(post))
        )
    for lag, expected in AUTHORS.items():
        places = [protocols.index((lag, frequency)) for frequency in FREQUENCIES]
        weights = [200.0 * float(w[k, k]) for k in places]
        np.testing.assert_allclose(weights, expected, atol=0.051)
