"""Every transmission is causal, keeps its type and treats all neurons alike.

Where tests/oracles/transmissions.py has it, its signal is a plain sum over earlier inputs.
"""

import math
from functools import partial
from typing import Any

import jax
import numpy as np
import pytest
from scipy.integrate import solve_ivp

from metaplast.registry import find, name_of
from metaplast.testing.base import demand_same_type, quick_jit
from metaplast.transmission.delayed import Delayed
from metaplast.transmission.dual_exponential import DualExponential
from metaplast.transmission.exponential import Exponential
from metaplast.transmission.nmda import Nmda
from metaplast.transmission.tsodyks_markram import TsodyksMarkram
from tests.contracts._enrolled import enrolled, programs

N = 3
N_STEPS = 12
DT = 1e-3
SENT = np.random.default_rng(0).normal(size=(N_STEPS, N))


PROGRAMS = programs("transmissions")
SETTINGS = [find("transmission", name)() for name in enrolled("transmission")]
SETTINGS += [
    TsodyksMarkram(utilisation=0.2, tau_f=20e-3, tau_d=5e-3),
    Delayed(delay=3e-3, transmission=Exponential(tau=2e-3)),
    Delayed(delay=1e-3),
    DualExponential(tau_rise=4e-3, tau_decay=4e-3),
    DualExponential(tau_rise=7e-3, tau_decay=3e-3),
    Delayed(delay=2e-3, transmission=Nmda(tau_decay=50e-3)),
    Delayed(delay=4e-3, transmission=Exponential(tau=2e-3), dendrite=1e-3),
    Delayed(delay=2e-3, dendrite=2e-3),
]


@partial(quick_jit, static_argnums=0)
def _run(transmission: Any, sent: Any) -> Any:
    step = lambda state, x: transmission.step(state, x, DT)
    return jax.lax.scan(step, transmission.init_state(N, DT), sent)[1]


@pytest.mark.parametrize("transmission", SETTINGS, ids=str)
def test_a_transmission_keeps_its_promises(transmission):
    for wide in (False, True):
        with jax.enable_x64(wide):
            state = jax.eval_shape(lambda: transmission.init_state(N, DT))
            sent = jax.ShapeDtypeStruct((N,), float if wide else np.float32)
            after, out = jax.eval_shape(lambda s, x: transmission.step(s, x, DT), state, sent)
            demand_same_type(state, after, "the state keeps its type")
            demand_same_type(sent, out, "what arrives has the type of what was sent")
    with jax.enable_x64(True):
        out = np.asarray(_run(transmission, SENT))
        later = SENT.copy()
        later[7:] += 1.0
        changed = np.asarray(_run(transmission, later))
        np.testing.assert_array_equal(changed[:7], out[:7])
        assert np.any(changed != out)  # something arrives
        np.testing.assert_array_equal(_run(transmission, SENT[:, ::-1]), out[:, ::-1])
        np.testing.assert_array_equal(_run(transmission, np.zeros_like(SENT)), np.zeros_like(SENT))
    assert np.isfinite(out).all()
    program = PROGRAMS.get(name_of(type(transmission)))
    if program:
        np.testing.assert_allclose(out, program(transmission, SENT, DT), atol=1e-12)


def test_the_queue_is_as_long_as_the_delay_at_any_dt():
    for dt in (1e-3, 0.5e-3, 0.1e-3):
        queue = Delayed(delay=2e-3).init_state(N, dt)["queue"]
        assert queue.shape == (round(2e-3 / dt), N)
    # 5.999999999999999 in floats
    assert Delayed(delay=6e-4).init_state(N, 1e-4)["queue"].shape == (
        6,
        N,
    )
    assert Delayed(delay=1e-5).init_state(N, 1e-3)["queue"].shape == (1, N)


def test_axon_and_dendrite_make_up_the_delay_and_the_synapse_lies_between():
    for dendrite, dt in (
        (1e-3, 1e-3),
        (1.4e-3, 1e-3),
        (3.5e-3, 1e-3),
        (0.6e-3, 1e-4),
        (3.7e-3, 1e-3),
    ):
        split = Delayed(delay=3.7e-3, dendrite=dendrite)
        whole = len(Delayed(delay=3.7e-3).init_state(N, dt)["queue"])
        assert split.dendritic_steps(dt) == math.floor(dendrite / dt + 0.5 + 1e-9)
        assert len(split.init_state(N, dt)["queue"]) == whole - split.dendritic_steps(dt)
    synapse = TsodyksMarkram()
    spikes = (np.random.default_rng(1).random((300, N)) < 0.03).astype(float)
    split = Delayed(delay=4e-3, transmission=synapse, dendrite=1e-3)

    def step(state: Any, x: Any) -> Any:
        return split.step(state, x, DT)[0], split.at_synapse(state, x, DT)

    with jax.enable_x64(True):
        seen = np.asarray(
            quick_jit(lambda: jax.lax.scan(step, split.init_state(N, DT), spikes)[1])()
        )
    late = np.concatenate([np.zeros((3, N)), spikes[:-3]])
    np.testing.assert_allclose(seen, PROGRAMS["tsodyks_markram"](synapse, late, DT), atol=1e-12)


def test_short_term_plasticity_is_its_event_loop_on_spikes():
    """Spikes at irregular times: depression and facilitation, step for step.

    The first spike arrives whole.
    """
    spikes = (np.random.default_rng(1).random((300, N)) < 0.03).astype(float)
    for synapse in (TsodyksMarkram(), TsodyksMarkram(utilisation=0.1, tau_f=0.5, tau_d=0.1)):
        with jax.enable_x64(True):
            out = np.asarray(_run(synapse, spikes))
        np.testing.assert_allclose(
            out, PROGRAMS["tsodyks_markram"](synapse, spikes, DT), atol=1e-12
        )
        for k in range(N):
            first, second = np.flatnonzero(spikes[:, k])[:2]
            np.testing.assert_allclose(out[first, k], 1.0)
            assert (out[second, k] > 1) == (synapse.tau_f > 0)


def test_a_regular_train_settles_at_its_closed_form():
    """20 Hz, as spikes of interval T, and as a rate.

    As a rate, the means of Tsodyks et al. 1998 have a fixed point.
    """
    for synapse in (
        TsodyksMarkram(tau_f=0.05),
        TsodyksMarkram(utilisation=0.1, tau_f=0.5, tau_d=0.1),
    ):
        big_u = synapse.utilisation
        tau_f = synapse.tau_f
        tau_d = synapse.tau_d
        rate = 20.0
        left_f = np.exp(-1 / rate / tau_f)
        left_d = np.exp(-1 / rate / tau_d)
        p = big_u / (1 - (1 - big_u) * left_f)
        settled = p * (1 - left_d) / (1 - (1 - p) * left_d) / big_u
        u = big_u * rate * tau_f / (1 + big_u * rate * tau_f)
        p = u + big_u * (1 - u)
        flowing = p * rate / (1 + p * rate * tau_d) / big_u
        sent = np.zeros((8001, N))
        sent[::50, 0] = 1.0
        sent[:, 1] = rate * DT
        with jax.enable_x64(True):
            out = np.asarray(_run(synapse, sent))[-1]
        np.testing.assert_allclose(out[0], settled, rtol=1e-6)
        np.testing.assert_allclose(out[1] / DT, flowing, rtol=0.03)  # means, up to order dt


def test_without_depression_and_facilitation_transmission_is_instant():
    for synapse in (
        TsodyksMarkram(utilisation=0.3, tau_f=0.0, tau_d=0.0),
        TsodyksMarkram(utilisation=1.0, tau_f=0.3, tau_d=1e-6),
    ):
        with jax.enable_x64(True):
            np.testing.assert_allclose(_run(synapse, SENT), SENT, atol=1e-12)


def _spiking(transmission: Any, dt: float, spikes: np.ndarray) -> np.ndarray:
    step = lambda state, x: transmission.step(state, x, dt)
    with jax.enable_x64(True):
        live = quick_jit(lambda x: jax.lax.scan(step, transmission.init_state(1, dt), x)[1])
        return np.asarray(live(spikes[:, None]))[:, 0]


def test_the_peak_after_one_spike_is_1_and_comes_when_the_closed_form_says():
    for synapse in (
        DualExponential(),
        DualExponential(tau_rise=5e-3),
        DualExponential(tau_rise=5.0000001e-3),
    ):
        rise = synapse.tau_rise
        decay = synapse.tau_decay
        dt = 1e-5
        s = _spiking(synapse, dt, np.eye(1, 2000)[0])
        when = decay
        if abs(rise - decay) >= 1e-8:
            when = math.log(decay / rise) * decay * rise / (decay - rise)
        assert s[0] == 0.0
        assert s.max() == pytest.approx(1.0, abs=1e-5)
        assert dt * s.argmax() == pytest.approx(when, abs=1.01 * dt)


def test_nmda_kinetics_saturate_and_converge_to_their_equations_in_first_order():
    """Spikes at 100 Hz against finely solved equations.

    dx/dt = -x / tau_rise
    ds/dt = rate x (1 - s) - s / tau_decay
    """
    synapse = Nmda()
    end = 0.2
    field = lambda t, y: [
        -y[0] / synapse.tau_rise,
        synapse.rate * y[0] * (1 - y[1]) - y[1] / synapse.tau_decay,
    ]
    y = [0.0, 0.0]
    for _ in range(20):  # a spike every 10 ms
        y = solve_ivp(field, (0.0, end / 20), [y[0] + 1.0, y[1]], rtol=1e-10, atol=1e-12).y[:, -1]
    off = []
    for dt in (1e-3, 5e-4, 2.5e-4):
        spikes = np.zeros(round(end / dt))
        spikes[:: round(10e-3 / dt)] = 1.0
        s = _spiking(synapse, dt, spikes)
        assert s.min() >= 0 and s.max() < 1
        off.append(abs(s[-1] - y[1]))
    assert y[1] > 0.7  # saturating: the 20 spikes would add up to more than 1 otherwise
    assert np.polyfit(np.log([4, 2, 1]), np.log(off), 1)[0] == pytest.approx(1.0, abs=0.15)


def test_a_train_that_never_ends_opens_less_than_all():
    with jax.enable_x64(True):
        out = np.asarray(_run(Nmda(rate=1e5), np.full((N_STEPS, N), 50.0)))
    assert (out < 1).all() and out[-1].min() > 0.99
