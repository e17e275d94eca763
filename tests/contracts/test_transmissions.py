"""Every transmission is causal and keeps its type; what it transmits is a plain sum over what was sent before."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import numpy as np
import pytest

from metaplast._checks.base import demand_same_type, quick_jit
from metaplast.registry import find
from metaplast.transmission.delayed import Delayed
from metaplast.transmission.exponential import Exponential
from metaplast.transmission.tsodyks_markram import TsodyksMarkram
from tests.contracts._enrolled import enrolled

N, N_STEPS, DT = 3, 12, 1e-3
SENT = np.random.default_rng(0).normal(size=(N_STEPS, N))


def _instant(spec: Any, sent: np.ndarray) -> np.ndarray:
    return sent


def _exponential(spec: Any, sent: np.ndarray) -> np.ndarray:
    steps = np.arange(len(sent))
    kernel = np.tril(np.exp(-(steps[:, None] - steps[None, :]) * DT / spec.tau))
    return kernel @ sent


def _delayed(spec: Any, sent: np.ndarray) -> np.ndarray:
    k = round(spec.delay / DT)
    late = np.concatenate([np.zeros((k, sent.shape[1])), sent[:-k]])
    return ORACLES[type(spec.transmission).__name__](spec.transmission, late)


def _tsodyks_markram(spec: Any, sent: np.ndarray) -> np.ndarray:
    """One synapse at a time, from event to event: between two of them u and x relax in closed form."""
    out, big_u = np.zeros_like(sent), spec.utilisation
    left = lambda time, tau: np.exp(-time / tau) if tau else 0.0  # noqa: E731
    for k in range(sent.shape[1]):
        u, x, last = 0.0, 1.0, 0
        for t in np.flatnonzero(sent[:, k]):
            passed, last = (t - last) * DT, t
            u, x = (u * left(passed, spec.tau_f), 1 + (x - 1) * left(passed, spec.tau_d)) if passed else (u, x)
            p = u + big_u - u * big_u
            out[t, k] = p * x * sent[t, k] / big_u
            u, x = u + (p - u) * sent[t, k], x * (1 - p * sent[t, k])
    return out


ORACLES: dict[str, Callable[[Any, np.ndarray], np.ndarray]] = {
    "Instant": _instant,
    "Exponential": _exponential,
    "Delayed": _delayed,
    "TsodyksMarkram": _tsodyks_markram,
}
SETTINGS = [find("transmission", name)() for name in enrolled("transmission")]
SETTINGS += [
    TsodyksMarkram(utilisation=0.2, tau_f=20e-3, tau_d=5e-3),
    Delayed(delay=3e-3, transmission=Exponential(tau=2e-3)),
    Delayed(delay=1e-3),
]


@partial(quick_jit, static_argnums=0)
def _run(transmission: Any, sent: Any) -> Any:
    step = lambda state, x: transmission.step(state, x, DT)  # noqa: E731
    return jax.lax.scan(step, transmission.init_state(N, DT), sent)[1]


@pytest.mark.parametrize("transmission", SETTINGS, ids=str)
def test_a_transmission_is_a_plain_sum_over_the_past(transmission):
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
        np.testing.assert_array_equal(_run(transmission, later)[:7], out[:7])
    np.testing.assert_allclose(out, ORACLES[type(transmission).__name__](transmission, SENT), atol=1e-12)


def test_the_queue_is_as_long_as_the_delay_at_any_dt():
    for dt in (1e-3, 0.5e-3, 0.1e-3):
        queue = Delayed(delay=2e-3).init_state(N, dt)["queue"]
        assert queue.shape == (round(2e-3 / dt), N)
    assert Delayed(delay=6e-4).init_state(N, 1e-4)["queue"].shape == (6, N)  # 5.999999999999999 in floats
    assert Delayed(delay=1e-5).init_state(N, 1e-3)["queue"].shape == (1, N)


def test_short_term_plasticity_is_its_event_loop_on_spikes():
    """Spikes at irregular times: what depresses and what facilitates, step for step; the first spike arrives whole."""
    spikes = (np.random.default_rng(1).random((300, N)) < 0.03).astype(float)
    for synapse in (TsodyksMarkram(), TsodyksMarkram(utilisation=0.1, tau_f=0.5, tau_d=0.1)):
        with jax.enable_x64(True):
            out = np.asarray(_run(synapse, spikes))
        np.testing.assert_allclose(out, _tsodyks_markram(synapse, spikes), atol=1e-12)
        for k in range(N):
            first, second = np.flatnonzero(spikes[:, k])[:2]
            np.testing.assert_allclose(out[first, k], 1.0)
            assert (out[second, k] > 1) == (synapse.tau_f > 0)


def test_a_regular_train_settles_at_its_closed_form():
    """20 Hz, as spikes of interval T; and as a rate, where the means of Tsodyks et al. 1998 have a fixed point."""
    for synapse in (TsodyksMarkram(tau_f=0.05), TsodyksMarkram(utilisation=0.1, tau_f=0.5, tau_d=0.1)):
        big_u, tau_f, tau_d, rate = synapse.utilisation, synapse.tau_f, synapse.tau_d, 20.0
        left_f, left_d = np.exp(-1 / rate / tau_f), np.exp(-1 / rate / tau_d)
        p = big_u / (1 - (1 - big_u) * left_f)
        settled = p * (1 - left_d) / (1 - (1 - p) * left_d) / big_u
        u = big_u * rate * tau_f / (1 + big_u * rate * tau_f)
        p = u + big_u * (1 - u)
        flowing = p * rate / (1 + p * rate * tau_d) / big_u
        sent = np.zeros((8001, N))
        sent[::50, 0], sent[:, 1] = 1.0, rate * DT
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
